"""A runs directory with real processes in it, which can be stopped, killed and started again."""

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.chaos.checker import check

from esper_bus import layout
from esper_bus.layout import Endpoints
from esper_bus.lock import aggregator_alive
from esper_bus.reading import read_log
from esper_bus.source import SocketSource
from esper_schemas.codec import to_json

ROOT = Path(__file__).parents[2]
PACKAGES = ("schemas", "bus", "aggregator", "trainer", "tui", "cli")
RUN = "run"
Process = subprocess.Popen[str]


class World:
    """Processes of one scenario; `rng` decides what the seed leaves open. Close it at the end."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.home = Path(tempfile.mkdtemp(prefix="esper-chaos-", dir="/tmp"))  # short: it holds sockets
        self.runs_dir = self.home / "runs"
        self.histories = self.home / "histories"
        self.histories.mkdir()
        self.endpoints: Endpoints = layout.parse(f"ipc://{self.home}/s")
        paths = os.pathsep.join(str(ROOT / package) for package in PACKAGES)
        self.environment = {**os.environ, "PYTHONPATH": paths, "XDG_RUNTIME_DIR": str(self.home)}
        self.trainers: list[Process] = []
        self._others: list[Process] = []
        self._number = 0

    @property
    def run_dir(self) -> Path:
        """The directory of the one run."""
        return self.runs_dir / RUN

    def aggregator(self, *, wait: bool = True) -> Process:
        """Start an aggregator, and wait until it owns the runs directory."""
        process = self.start("-m", "esper_aggregator", "--runs-dir", self.runs_dir, "--listen", self.listen)
        if wait:
            self.until(lambda: process.poll() is not None or self._listens(), "an aggregator that listens")
        return process

    def _listens(self) -> bool:
        return aggregator_alive(self.runs_dir) and (self.home / "s" / "ingest").exists()

    @property
    def listen(self) -> str:
        """What the aggregator listens on."""
        return f"ipc://{self.home}/s"

    def trainer(
        self, producer: str = "host:0", *, events: int = 400, pause_s: float = 0.002, **plan: Any
    ) -> Process:
        """Start a trainer that emits so many events."""
        self._number += 1
        history = self.histories / f"{self._number}.jsonl"
        plan = {"ingest": self.endpoints.ingest, "events": events, "pause_s": pause_s, **plan}
        plan |= {"producer": producer, "run_dir": str(self.run_dir), "history": str(history)}
        stdout = history.open("w") if plan.get("file_bytes") else None
        program = ROOT / "benchmarks" / "chaos" / "trainer.py"
        process = self.start(program, json.dumps(plan), stdout=stdout)
        if stdout:
            stdout.close()
        self.trainers.append(process)
        return process

    def start(self, *arguments: object, stdout: Any = None) -> Process:
        """Start a Python program; what it says goes to a file."""
        with (self.home / "output.txt").open("a") as output:
            process = subprocess.Popen(
                [sys.executable, *map(str, arguments)],
                env=self.environment,
                stdout=stdout or output,
                stderr=output,
                text=True,
                start_new_session=True,
            )
        self._others.append(process)
        return process

    def pause(self, shortest_s: float, longest_s: float) -> None:
        """Let things happen for a while that the seed decides."""
        time.sleep(self.rng.uniform(shortest_s, longest_s))

    def until(self, fact: Callable[[], Any], what: str, timeout_s: float = 40.0) -> None:
        """Wait for a fact. Raises `AssertionError` if it does not come true."""
        deadline = time.monotonic() + timeout_s
        while not fact():
            assert time.monotonic() < deadline, f"no {what} within {timeout_s:.0f} s; {self.output()}"
            time.sleep(0.02)

    def emitted(self, at_least: int) -> None:
        """Wait until the newest trainer says that it has emitted something."""
        path = self.histories / f"{self._number}.jsonl"
        self.until(lambda: path.exists() and _last(path).get("emitted", -1) >= at_least, "emitted event")

    def kill(self, process: Process) -> None:
        """Kill a process without warning."""
        process.send_signal(signal.SIGKILL)
        process.wait()

    def finish(self) -> list[str]:
        """Wait for all trainers, let an aggregator have everything, and judge what is left behind."""
        for trainer in self.trainers:
            self.until(lambda trainer=trainer: trainer.poll() is not None, "end of a trainer")
        aggregator = self.aggregator() if not aggregator_alive(self.runs_dir) else None
        locks = lambda: list(self.run_dir.glob("spool/*.lock"))  # noqa: E731
        self.until(lambda: not locks(), "adoption of what trainers left behind")
        faults = check(self.runs_dir, self.histories, {RUN: self.last_snapshot()})
        if aggregator is not None:
            self.kill(aggregator)
        return faults

    def last_snapshot(self) -> str:
        """What a viewer sees once everything is folded, as JSON."""
        total = sum(1 for _ in read_log(self.run_dir))
        source = SocketSource(lambda: self.endpoints)
        try:
            self.until(lambda: source.poll().snapshot.events_folded == total, "snapshot of all events")
            return to_json(source.poll().snapshot)
        finally:
            source.close()

    def output(self) -> str:
        """The end of what the processes said."""
        path = self.home / "output.txt"
        return path.read_text(errors="replace")[-1500:] if path.exists() else ""

    def close(self) -> None:
        """Leave no process and no file behind."""
        for process in self._others:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # with its forked workers
            process.wait()
        shutil.rmtree(self.home, ignore_errors=True)


def _last(path: Path) -> dict[str, Any]:
    lines = path.read_text().split("\n")[:-1]
    return json.loads(lines[-1]) if lines else {}
