"""The cost of recording one full PPO update for the training thread: `Emitter.emit` and other recorders.

Between two calls the thread sleeps, where a trainer would work, because a tight loop would keep caches warm.
All recorders are measured in the same run, in turn. `python -m benchmarks.emit` compares with csv; `--peers`
adds recorders that have their own threads, `--faults` measures while something is broken, and `--kill` counts
the events that a killed trainer leaves.
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
from benchmarks.faults import FAULTS, emitting_under
from benchmarks.peers import Record, available

from esper_bus.emit.emitter import Emitter
from esper_bus.store.run_reader import read_raw
from esper_schemas.events import PPOUpdateCompleted
from esper_schemas.payload import PPOMetrics, PPOUpdatePayload

KILLED_EVENTS = 1000
LONE_EVENTS = 200
LONE_PAUSE_S = 0.02


class Row(msgspec.Struct, frozen=True):
    """The distribution of one measurement, in microseconds."""

    what: str
    calls: int
    median: float
    p99: float
    p999: float
    maximum: float


def main() -> None:
    """Measure and print."""
    options = _options()
    with tempfile.TemporaryDirectory(dir=options.directory) as name:
        directory, interval_s = Path(name), options.interval_ms / 1000
        if options.faults:
            rows = _under_faults(directory, options.calls, interval_s)
        elif options.kill:
            print(_killed(directory))
            return
        else:
            rows = _paced(directory, options.calls, interval_s, peers=options.peers)
            rows.append(_until_spooled(directory))
    if options.json:
        sys.stdout.buffer.write(msgspec.json.encode(rows) + b"\n")
    else:
        _print_table(rows, options.interval_ms)


def full_payload(dice: random.Random) -> PPOUpdatePayload:
    """A payload in which every field is measured, with the digits of real values."""
    values: dict[str, float | int] = {}
    for field in msgspec.structs.fields(PPOMetrics):
        whole = any(part is int for part in _types(field.type))
        values[field.name] = dice.randrange(1, 9) if whole else dice.uniform(0.001, 9.0)
    return msgspec.convert(values, PPOUpdatePayload)


def _types(annotated: object) -> tuple[object, ...]:
    inner = getattr(annotated, "__origin__", annotated)
    return getattr(inner, "__args__", (inner,))


def _paced(directory: Path, calls: int, interval_s: float, *, peers: bool) -> list[Row]:
    """Emit updates and have each peer record the same ones in turn, one per interval."""
    dice = random.Random(0)
    emitter = Emitter("benchmark", "host:0", directory / "run")

    def emit(update: int, payload: PPOUpdatePayload) -> None:
        emitter.emit(PPOUpdateCompleted(update=update, payload=payload))

    def nothing(update: int, payload: PPOUpdatePayload) -> None:
        """The cost of the measurement itself with cold caches."""

    recorders: dict[str, Record] = {"an empty call": nothing, "Emitter.emit": emit}
    recorders |= available(directory, everybody=peers)
    times: dict[str, list[int]] = {name: [] for name in recorders}
    for update in range(calls):
        payload = full_payload(dice)
        names = list(recorders)
        dice.shuffle(names)
        for name in names:
            time.sleep(interval_s)
            times[name].append(_timed(recorders[name], update, payload))
    report = emitter.close()
    assert (report.spooled, report.dropped) == (calls, 0), report
    return [_row(what, values) for what, values in times.items()]


def _under_faults(directory: Path, calls: int, interval_s: float) -> list[Row]:
    """Emit while something is broken; no error reaches the caller."""
    dice = random.Random(0)
    rows = []
    for name in FAULTS:
        times = []
        with emitting_under(name, directory) as emitter:
            for update in range(calls):
                event = PPOUpdateCompleted(update=update, payload=full_payload(dice))
                time.sleep(interval_s)
                times.append(_timed(emitter.emit, event))
        rows.append(_row(name, times))
    return rows


def _killed(directory: Path) -> str:
    """The number of readable events of a trainer that is killed 10 ms after the last of them."""
    command = [sys.executable, "-c", _VICTIM, str(directory / "killed"), str(KILLED_EVENTS)]
    subprocess.run(command, check=False)
    readable = sum(1 for _ in read_raw(directory / "killed"))
    return f"killed 10 ms after its last event, {KILLED_EVENTS} of them 10 ms apart: {readable} are readable"


_VICTIM = """
import os, signal, sys, time
from pathlib import Path
from esper_bus.emit.emitter import Emitter
from esper_schemas.events import PPOUpdateCompleted
from esper_schemas.payload import PPOMetrics, PPOUpdatePayload

emitter = Emitter("run", "host:0", Path(sys.argv[1]))
for update in range(int(sys.argv[2])):
    emitter.emit(PPOUpdateCompleted(update=update, payload=PPOUpdatePayload()))
    time.sleep(0.01)
os.kill(os.getpid(), signal.SIGKILL)
"""


def _timed(step: Callable[..., object], *arguments: object) -> int:
    begin = time.perf_counter_ns()
    step(*arguments)
    return time.perf_counter_ns() - begin


def _until_spooled(directory: Path) -> Row:
    """How long after `emit` a single event is in the spool, checked every 50 microseconds."""
    dice = random.Random(1)
    emitter = Emitter("benchmark", "host:1", directory / "run")
    times = []
    for update in range(LONE_EVENTS):
        event = PPOUpdateCompleted(update=update, payload=full_payload(dice))
        time.sleep(LONE_PAUSE_S)
        begin = time.perf_counter_ns()
        emitter.emit(event)
        while emitter.stats.spooled <= update:
            time.sleep(0.00005)
        times.append(time.perf_counter_ns() - begin)
    emitter.close()
    return _row("a lone event is in the spool after", times)


def _row(what: str, times: list[int]) -> Row:
    ordered = sorted(times)

    def quantile(share: float) -> float:
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] / 1000

    return Row(what, len(times), quantile(0.5), quantile(0.99), quantile(0.999), ordered[-1] / 1000)


def _print_table(rows: list[Row], interval_ms: float) -> None:
    print(f"microseconds, one full PPO update every {interval_ms:g} ms, {os.cpu_count()} cores")
    print(f"{'':36}{'calls':>8}{'median':>10}{'p99':>10}{'p99.9':>10}{'max':>10}")
    for row in rows:
        numbers = f"{row.median:10.1f}{row.p99:10.1f}{row.p999:10.1f}{row.maximum:10.1f}"
        print(f"{row.what:36}{row.calls:8}{numbers}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=2000, help="calls of each kind")
    parser.add_argument("--interval-ms", type=float, default=5.0, help="pause before each call")
    parser.add_argument("--directory", help="where to write, by default where temporary files go")
    parser.add_argument("--peers", action="store_true", help="beside all recorders that are installed")
    parser.add_argument("--faults", action="store_true", help="emit while something is broken")
    parser.add_argument("--kill", action="store_true", help="count what a killed trainer leaves")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser.parse_args()


if __name__ == "__main__":
    main()
