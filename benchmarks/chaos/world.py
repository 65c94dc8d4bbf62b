"""A runs directory with real processes, which can be stopped, killed and restarted."""

import contextlib
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.chaos.checker import broken_promises, check
from benchmarks.chaos.vitals import BOUNDS, Size, Vitals
from benchmarks.chaos.witness import promise_of
from benchmarks.ports import free_ports

from esper_bus import addresses
from esper_bus.addresses import Endpoints
from esper_bus.auth.key_directory import add_client, create_server_keys
from esper_bus.auth.keys import load_client_keys
from esper_bus.host.aggregator_lock import aggregator_running
from esper_bus.host.resources import raise_fd_limit
from esper_bus.net.snapshot_source import SocketSource
from esper_bus.store.run_reader import read_log
from esper_schemas.codec import to_json

ROOT = Path(__file__).parents[2]
PACKAGES = ("", "schemas", "bus", "aggregator", "trainer", "tui", "cli")
RUN = "run"
TRANSPORTS = ("ipc", "curve")
Process = subprocess.Popen[str]


class World:
    """The processes of one scenario; `rng` makes its random choices. Close it at the end.

    The transport is "ipc", or "curve" for tcp with keys; `keys` is then the aggregator's directory of keys.
    """

    def __init__(self, seed: int, transport: str = "ipc") -> None:
        raise_fd_limit()
        self.rng = random.Random(seed)
        self.home = Path(tempfile.mkdtemp(prefix="esper-chaos-", dir="/tmp"))  # short: it holds sockets
        self.runs_dir = self.home / "runs"
        self.histories = self.home / "histories"
        self.histories.mkdir()
        self.keys: Path | None = None
        self.listen = f"ipc://{self.home}/s"
        if transport == "curve":
            self._make_keys()
            self.listen = f"tcp://127.0.0.1:{free_ports(len(Endpoints._fields))}"
        self.endpoints: Endpoints = addresses.parse(self.listen, keyed=self.keys is not None)
        paths = os.pathsep.join(str(ROOT / package) for package in PACKAGES)
        self.environment = {**os.environ, "PYTHONPATH": paths, "XDG_RUNTIME_DIR": str(self.home)}
        self.trainers: list[Process] = []
        self.bounds = dict(BOUNDS)
        self.faults: list[str] = []
        self.vitals = Vitals()
        self.vitals.start()
        self._processes: list[Process] = []
        self._aggregators: list[Process] = []
        self._expected_ends: set[Process] = set()
        self._mounts: list[Path] = []
        self._number = 0

    @property
    def run_dir(self) -> Path:
        """The directory of the one run."""
        return self.runs_dir / RUN

    def key_file(self, name: str) -> str | None:
        """The key of the "trainer" or the "viewer", None without keys."""
        return None if self.keys is None else str(self.keys / f"{name}.key")

    def aggregator(
        self, *, wait: bool = True, sabotage: tuple[str | int, ...] = (), files: int = 0
    ) -> Process:
        """Start an aggregator, optionally with faults or few files, and wait until it is ready."""
        module = ("benchmarks.chaos.sabotage", *sabotage) if sabotage else ("esper_aggregator",)
        keys = () if self.keys is None else ("--server-keys", self.keys)
        process = self.start(
            "aggregator", "-m", *module, "--runs-dir", self.runs_dir, "--listen", self.listen, *keys
        )
        self._aggregators.append(process)
        if files:
            resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (files, files))
        if wait:
            said = self._output(process)
            self.until(
                lambda: process.poll() is not None or "aggregator ready" in said.read_text(),
                "an aggregator that is ready",
            )
        return process

    def trainer(
        self, producer: str = "trainer:0", *, events: int = 400, pause_s: float = 0.002, **plan: Any
    ) -> Process:
        """Start a trainer that emits the given number of events."""
        self._number += 1
        history = self.histories / f"{self._number}.jsonl"
        told = {"ingest": self.endpoints.ingest, "events": events, "pause_s": pause_s}
        told |= {"producer": producer, "run_dir": str(self.run_dir), "history": str(history)}
        plan = {**told, "keys": self.key_file("trainer"), **plan}
        stdout = history.open("w") if plan.get("file_bytes") else None
        process = self.start("trainer", "-m", "benchmarks.chaos.trainer", json.dumps(plan), stdout=stdout)
        if stdout:
            stdout.close()
        self.trainers.append(process)
        return process

    def viewers(self, count: int, *, exhaust_files: bool = False) -> tuple[Process, Path]:
        """Start viewers in one process; the last line of the file is the number of events of the
        slowest one.
        """
        self._number += 1
        seen = self.home / f"{self._number}.seen"
        plan = {"url": self.listen, "keys": self.key_file("viewer"), "count": count, "seen": str(seen)}
        plan["exhaust_files"] = exhaust_files
        return self.start("viewer", "-m", "benchmarks.chaos.viewer", json.dumps(plan)), seen

    def small_disk(self, directory: Path, size: int) -> Callable[[], None] | None:
        """Mount a small disk at a directory; returns a function that enlarges it, None without permission."""
        directory.mkdir(parents=True)
        options = ["-t", "tmpfs", "-o", f"size={size},mode=700", "none", str(directory)]
        if os.geteuid() or subprocess.run(["mount", *options], capture_output=True).returncode:
            return None
        self._mounts.append(directory)
        larger = ["mount", "-o", "remount,size=50m", str(directory)]
        return lambda: subprocess.run(larger, check=True) and None

    def start(self, kind: str, *arguments: object, stdout: Any = None) -> Process:
        """Start a Python program; its output goes to a file, and its size is checked as one of its kind."""
        with (self.home / f"{len(self._processes)}.out").open("w") as output:
            process = subprocess.Popen(
                [sys.executable, *map(str, arguments)],
                env=self.environment,
                stdout=stdout or output,
                stderr=output,
                text=True,
                start_new_session=True,
            )
        self._processes.append(process)
        self.vitals.watch(kind, process)
        return process

    def pause(self, shortest_s: float, longest_s: float) -> None:
        """Sleep for a time that depends on the seed."""
        time.sleep(self.rng.uniform(shortest_s, longest_s))

    def until(self, fact: Callable[[], Any], what: str, timeout_s: float = 40.0) -> None:
        """Wait until a condition holds. Raises `AssertionError` if it does not."""
        deadline = time.monotonic() + timeout_s
        while not fact():
            assert time.monotonic() < deadline, f"no {what} within {timeout_s:.0f} s; {self.output()}"
            time.sleep(0.02)

    def emitted(self, at_least: int) -> None:
        """Wait until the newest trainer has emitted at least this number of events."""
        path = self.histories / f"{self._number}.jsonl"
        self.until(lambda: path.exists() and _last(path).get("emitted", -1) >= at_least, "emitted event")

    def acknowledged(self, at_least: int) -> None:
        """Wait until at least this number of events of the newest trainer are acknowledged."""
        path = self.promise
        self.until(lambda: path.exists() and promise_of(path).acknowledged >= at_least, "acknowledgement")

    @property
    def promise(self) -> Path:
        """The file with the acknowledgements of the newest trainer."""
        return self.histories / f"{self._number}.promise"

    def ended(self, process: Process) -> int:
        """Wait until a process ends by itself; returns its exit code."""
        self.until(lambda: process.poll() is not None, "end of a process")
        self._expected_ends.add(process)
        self._look_behind(process)
        return process.returncode

    def kill(self, process: Process) -> None:
        """Kill a process without warning."""
        process.send_signal(signal.SIGKILL)
        process.wait()
        self._expected_ends.add(process)
        self._look_behind(process)

    def _look_behind(self, process: Process) -> None:
        """If an aggregator has died, compare what it acknowledged with what it wrote."""
        if process in self._aggregators and not aggregator_running(self.runs_dir):
            time.sleep(_ON_THE_WAY_S)
            self.faults += broken_promises(self.run_dir, self.histories)

    def finish(self) -> list[str]:
        """Wait for all trainers, have an aggregator receive everything, and check the files that are left."""
        for trainer in self.trainers:
            self.ended(trainer)
        fallen = [process for process in self._aggregators if process.poll() is not None]
        if set(fallen) - self._expected_ends:
            self.faults.append(f"an aggregator ended by itself: {self.output()}")
        if not aggregator_running(self.runs_dir):
            self.aggregator()
        locks = lambda: list(self.run_dir.glob("spool/*.lock"))  # noqa: E731
        self.until(lambda: not locks(), "adoption of what trainers left behind")
        snapshots = {RUN: self.last_snapshot()}
        self.faults += self.vitals.faults(self.bounds)
        return self.faults + check(self.runs_dir, self.histories, snapshots)

    def last_snapshot(self) -> str:
        """The snapshot that a viewer receives once everything is folded, as JSON."""
        total = sum(1 for _ in read_log(self.run_dir))
        source = self.viewer()
        try:
            self.until(lambda: source.poll().snapshot.events_folded >= total, "snapshot of all events")
            return to_json(source.poll().snapshot)
        finally:
            source.close()

    def viewer(self) -> SocketSource:
        """A viewer in this process."""
        file = self.key_file("viewer")
        return SocketSource(lambda: self.endpoints, keys=load_client_keys(Path(file)) if file else None)

    def allow(self, kind: str, memory_mb: float, files: int = 200) -> None:
        """Allow processes of a kind to grow larger than usual."""
        self.bounds[kind] = Size(memory_mb, files)

    def output(self) -> str:
        """The end of the output of all processes."""
        texts = [path.read_text(errors="replace") for path in sorted(self.home.glob("*.out"))]
        return "\n".join(texts)[-1500:]

    def close(self) -> None:
        """Kill all processes and delete all files."""
        self.vitals.stop()
        for process in self._processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # with its forked workers
            process.wait()
        for directory in self._mounts:
            subprocess.run(["umount", "-l", str(directory)], check=False)
        shutil.rmtree(self.home, ignore_errors=True)

    def _output(self, process: Process) -> Path:
        return self.home / f"{self._processes.index(process)}.out"

    def _make_keys(self) -> None:
        self.keys = self.home / "keys"
        create_server_keys(self.keys)
        add_client(self.keys, "trainer", ("ingest",))
        add_client(self.keys, "viewer", ("view",))


_ON_THE_WAY_S = 0.03
"""Time for the last message of a dead aggregator to arrive at a trainer."""


def _last(path: Path) -> dict[str, Any]:
    lines = path.read_text().split("\n")[:-1]
    return json.loads(lines[-1]) if lines else {}
