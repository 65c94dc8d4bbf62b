"""Faults under which `benchmarks.emit --faults` measures what emitting costs.

Each is real: a process that is stopped or killed, a disk that is full, a network that discards everything.
"""

import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.chaos.proxy import Proxy

from esper_bus.addresses import for_runs_dir
from esper_bus.emit.emitter import Emitter
from esper_bus.net.aggregator_process import is_reachable
from esper_schemas.events import LogRecorded

_UNLIMITED = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)

Fault = Callable[[Path, "subprocess.Popen[bytes]", Proxy], object]


def _none(run_dir: Path, aggregator: "subprocess.Popen[bytes]", proxy: Proxy) -> None:
    return


def _stopped(run_dir: Path, aggregator: "subprocess.Popen[bytes]", proxy: Proxy) -> None:
    aggregator.send_signal(signal.SIGSTOP)


def _dead(run_dir: Path, aggregator: "subprocess.Popen[bytes]", proxy: Proxy) -> None:
    aggregator.kill()
    aggregator.wait()


def _disk_full(run_dir: Path, aggregator: "subprocess.Popen[bytes]", proxy: Proxy) -> None:
    """Limit files of this process to the current size of its spool."""
    size = max(path.stat().st_size for path in run_dir.glob("spool/*.mcap"))
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def _black_hole(run_dir: Path, aggregator: "subprocess.Popen[bytes]", proxy: Proxy) -> None:
    proxy.mode = "blackhole"


FAULTS: dict[str, Fault] = {
    "nothing broken": _none,
    "aggregator stopped": _stopped,
    "aggregator dead": _dead,
    "disk full": _disk_full,
    "disk full, aggregator dead": lambda *world: (_dead(*world), _disk_full(*world)),
    "network black-holed": _black_hole,
}


@contextmanager
def emitting_under(name: str, directory: Path) -> Iterator[Emitter]:
    """An emitter under a fault that was injected after its first event was acknowledged."""
    runs_dir = directory / name.replace(" ", "-").replace(",", "")
    command = [sys.executable, "-m", "esper_aggregator", "--runs-dir", str(runs_dir)]
    aggregator = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not is_reachable(for_runs_dir(runs_dir), 1.0):
        continue
    proxy = Proxy(for_runs_dir(runs_dir).ingest)
    address = proxy.address if FAULTS[name] is _black_hole else for_runs_dir(runs_dir).ingest
    emitter = Emitter("run", "host:0", runs_dir / "run", address)
    emitter.emit(LogRecorded(level="info", message="begun"))
    while not emitter.stats.acknowledged:
        time.sleep(0.01)
    try:
        FAULTS[name](runs_dir / "run", aggregator, proxy)
        yield emitter
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, _UNLIMITED)
        emitter.close(0.5)
        proxy.close()
        aggregator.kill()
        aggregator.wait()
