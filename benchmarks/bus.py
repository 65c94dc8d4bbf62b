"""Throughput and latency from an emitter to a subscriber: ingest, replay, end to end, attach.

Events are healthy PPO updates with every field measured and all floats different. Ingest and replay are CPU
time of one core; the rest is measured with a trainer, an aggregator and a subscriber in separate processes.
Run `python -m benchmarks.bus`.
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
from benchmarks import bus_peers
from benchmarks.fold import varied_update

import esper_lite
from esper_aggregator.recording import Recording
from esper_aggregator.replay import fold_path
from esper_bus.addresses import for_runs_dir
from esper_bus.limits import BATCH_EVENTS
from esper_bus.net.aggregator_process import start_aggregator
from esper_bus.net.query_client import QueryClient
from esper_bus.net.snapshot_source import SocketSource
from esper_bus.protocol import frames as f
from esper_bus.protocol.query_messages import AggregatorHealth, HealthQuery
from esper_bus.protocol.receiver import Receiver
from esper_bus.records import Batch, RawRecord, StreamKey
from esper_bus.store.log_writer import LogWriter
from esper_schemas.codec import encode_event

_BATCH = 128
_ATTACHES = 20

_TRAINER = """
import os, random, sys, time
from pathlib import Path
from benchmarks.fold import varied_update
from esper_bus.emit.emitter import Emitter
from esper_bus.addresses import for_runs_dir

runs_dir, run, core = Path(sys.argv[1]), sys.argv[2], sys.argv[5]
count, rate = int(sys.argv[3]), float(sys.argv[4])
if core:
    os.sched_setaffinity(0, {int(core)})
events = [varied_update(number, random.Random(number)) for number in range(1, 257)]
emitter = Emitter(run, "host:0", runs_dir / run, for_runs_dir(runs_dir).ingest)
cpu, begin = time.process_time(), time.monotonic()
for number in range(count):
    ahead = begin + number / rate - time.monotonic()
    if ahead > 0.001:
        time.sleep(ahead)
    emitter.emit(events[number % len(events)])
emitted = time.monotonic() - begin
while time.monotonic() < begin + 60 and emitter.stats.acknowledged + emitter.stats.dropped < count:
    time.sleep(0.005)
took, used = time.monotonic() - begin, time.process_time() - cpu
report = emitter.close(5.0)
print(report.acknowledged, report.dropped, emitted, took, used)
"""


class Row(msgspec.Struct, frozen=True):
    """One measured number."""

    what: str
    value: float
    unit: str


def main() -> None:
    """Measure and print."""
    options = _options()
    with tempfile.TemporaryDirectory(dir=options.directory) as directory:
        rows = _one_core(Path(directory) / "alone", options.events)
        rows += _processes(Path(directory) / "runs", options)
    if options.json:
        sys.stdout.buffer.write(msgspec.json.encode(rows) + b"\n")
        return
    for row in rows:
        print(f"{row.what:52}{row.value:12,.1f} {row.unit}")


def _one_core(runs_dir: Path, events: int) -> list[Row]:
    """Parse, log, flush, acknowledge and fold messages; then read the log and fold it again."""
    dice = random.Random(1)
    data = [encode_event(varied_update(number, dice)) for number in range(1, 512)]
    hello = f.encode(f.Hello(run="run", producer="host:0", epoch=1, first=0, next=0))
    batches = [
        f.encode(f.Data(1, Batch(first, [(s, data[s % len(data)]) for s in range(first, first + _BATCH)])))
        for first in range(0, events, _BATCH)
    ]
    recording, receiver = Recording(runs_dir / "run", 1), Receiver(1, lambda run: {})
    receiver.receive(b"peer", hello, 0.0, 0)

    def ingest() -> None:
        for number, batch in enumerate(batches):
            recording.extend(receiver.receive(b"peer", batch, float(number), number))
            recording.flush()
            receiver.mark_flushed()
            recording.take_flushed()
            receiver.take_answers()

    count = len(batches) * _BATCH
    ingested = _cpu_seconds(ingest)
    recording.close()
    replayed = _cpu_seconds(lambda: fold_path(runs_dir / "run"))
    stored = sum(path.stat().st_size for path in runs_dir.rglob("*.mcap"))
    return [
        Row("ingest on one core (CPU time)", count / ingested, "events/s"),
        Row("replay on one core (CPU time)", count / replayed, "events/s"),
        Row("size of an event", len(data[0]), "bytes"),
        Row("the same in the log", stored / count, "bytes"),
        *_peers(runs_dir, [data[seq % len(data)] for seq in range(count)]),
    ]


def _peers(runs_dir: Path, events: list[bytes]) -> list[Row]:
    run_dir = runs_dir / "run"
    return [
        Row("reading the log: ours", bus_peers.own_reader(run_dir), "µs per event"),
        Row("reading the log: the mcap library", bus_peers.mcap_reader(run_dir), "µs per event"),
        Row("writing: ours", _log_alone(runs_dir / "log alone", events), "µs per event"),
        Row("writing: sqlite, write-ahead log", bus_peers.sqlite(runs_dir, events, _BATCH), "µs per event"),
        Row("writing: lines of JSON", bus_peers.jsonl(runs_dir, events, _BATCH), "µs per event"),
    ]


def _log_alone(run_dir: Path, events: list[bytes]) -> float:
    stream = StreamKey("run", "host:0", 1)
    records = [RawRecord(stream, seq, seq, seq, data) for seq, data in enumerate(events)]
    log = LogWriter(run_dir, "run", 1, 0)

    def write() -> None:
        for first in range(0, len(records), _BATCH):
            log.extend(records[first : first + _BATCH])
            log.flush()

    used = _cpu_seconds(write)
    log.close()
    return 1e6 * used / len(records)


def _cpu_seconds(step: Callable[[], object]) -> float:
    begin = time.process_time()
    step()
    return time.process_time() - begin


def _processes(runs_dir: Path, options: argparse.Namespace) -> list[Row]:
    start_aggregator(runs_dir, idle_exit_s=20.0)
    rows = _latency(runs_dir, 1000.0, options.seconds)
    rows += _attach(runs_dir)
    for rate in (20_000.0, 40_000.0):
        rows += _sustained(runs_dir, rate, options.seconds)
    return rows


def _latency(runs_dir: Path, rate: float, seconds: float) -> list[Row]:
    count = int(rate * seconds)
    trainer = _start_trainer(runs_dir, "latency", count, rate)
    waits = []
    url = for_runs_dir(runs_dir).ingest.removesuffix("/ingest")
    with esper_lite.subscribe(url, run="latency", timeout=10.0) as subscription:
        for record in subscription:
            waits.append((time.time_ns() - record.emitted_ns) / 1e6)
            if len(waits) == count:
                break
    trainer.communicate()
    waits = sorted(waits[len(waits) // 10 :])  # the first ones waited for the first HELLO
    name = f"emit to subscriber decoded at {rate:,.0f}/s"
    return [
        Row(f"{name}, p50", waits[len(waits) // 2], "ms"),
        Row(f"{name}, p99", waits[int(0.99 * len(waits))], "ms"),
    ]


def _attach(runs_dir: Path) -> list[Row]:
    times = []
    for _ in range(_ATTACHES):
        begin = time.perf_counter()
        source = SocketSource(lambda: for_runs_dir(runs_dir))
        while not source.poll().snapshot.events_folded:
            time.sleep(0.001)
        times.append(1000 * (time.perf_counter() - begin))
        source.close()
    return [Row("attach to first snapshot, worst of 20", max(times), "ms")]


def _sustained(runs_dir: Path, rate: float, seconds: float) -> list[Row]:
    """Run trainer and aggregator on a core each if there are two; the start of Python is not measured."""
    aggregator, count = _aggregator_pid(runs_dir), int(rate * seconds)
    for thread in _threads(aggregator) if _CORES else ():
        os.sched_setaffinity(thread, {_CORES[1]})
    before = _cpu_seconds_of(aggregator)
    trainer = _start_trainer(runs_dir, f"at-{rate:.0f}", count, rate, str(_CORES[0]) if _CORES else "")
    acknowledged, dropped, emitted, took, used = map(float, trainer.communicate()[0].splitlines()[-1].split())
    name = f"{rate:,.0f}/s for {seconds:g} s"
    return [
        Row(f"{name}: acknowledged", acknowledged, f"of {count}, {dropped:.0f} dropped"),
        Row(f"{name}: emitted at", count / emitted, "events/s"),
        Row(f"{name}: acknowledged at", acknowledged / took, "events/s"),
        Row(f"{name}: CPU of the trainer", 1e6 * used / count, "µs per event"),
        Row(
            f"{name}: CPU of the aggregator",
            1e6 * (_cpu_seconds_of(aggregator) - before) / count,
            "µs per event",
        ),
    ]


_CORES = sorted(os.sched_getaffinity(0))[:2] if len(os.sched_getaffinity(0)) > 1 else []


def _aggregator_pid(runs_dir: Path) -> int:
    client = QueryClient(for_runs_dir(runs_dir))
    health = client.ask(HealthQuery())
    client.close()
    assert isinstance(health, AggregatorHealth)
    return health.pid


def _threads(pid: int) -> list[int]:
    return [int(task.name) for task in Path(f"/proc/{pid}/task").iterdir()]


def _cpu_seconds_of(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _start_trainer(
    runs_dir: Path, run: str, count: int, rate: float, core: str = ""
) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", _TRAINER, str(runs_dir), run, str(count), str(rate), core]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=40 * BATCH_EVENTS, help="events of ingest and replay")
    parser.add_argument("--seconds", type=float, default=5.0, help="length of each end-to-end measurement")
    parser.add_argument("--directory", help="where to write, by default where temporary files go")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser.parse_args()


if __name__ == "__main__":
    main()
