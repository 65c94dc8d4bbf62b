"""Series of a long run: reading them beside other formats, and what their index costs the aggregator.

`python -m benchmarks.series --updates N` records N updates with all metrics, then asks for one and for
sixteen of them in 2,000 buckets. The same numbers are read from TensorBoard's event file
(EventAccumulator), from Parquet by pyarrow and by DuckDB, where these are installed, and from our log event
by event. The cost of recording is measured with and without the index, also for a mix of 35 events an update:
the same events are recorded several times by turns, and of each batch the least time counts, which leaves out
what other programs cost. Times are of the processor, in this process; a loop stands for its speed.
"""

import argparse
import random
import shutil
import struct
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import cache
from itertools import islice
from pathlib import Path
from statistics import median
from unittest.mock import patch

from benchmarks.fold import varied_update
from msgspec import structs

from esper_aggregator.past.local_series import LocalSeries
from esper_aggregator.past.steps import finish
from esper_aggregator.recording import Recording
from esper_aggregator.series.recorded_series import RecordedSeries
from esper_bus.records import RawRecord, StreamKey
from esper_bus.store.run_reader import read_records
from esper_schemas.codec import encode_event
from esper_schemas.events import DecisionMade, EpisodeCompleted, Event, PPOUpdateCompleted, RolloutCompleted
from esper_schemas.history import Axis, SeriesQuestion
from esper_schemas.payload import PPOUpdatePayload

BUCKETS = 2_000
METRICS = (
    "kl_divergence",
    "policy_loss",
    "value_loss",
    "entropy",
    "clip_fraction",
    "explained_variance",
    "grad_norm",
    "advantage_mean",
    "advantage_std",
    "return_mean",
    "return_std",
    "value_mean",
    "value_std",
    "log_prob_min",
    "joint_ratio_max",
    "td_error_mean",
)
PERIOD = 17_001
"""Updates after which their metrics repeat: none do within a segment."""
RUN = "series"
BATCH = 256
"""Events between two flushes of the log."""


def main() -> None:
    """Measure and print."""
    options = _options()
    print(f"calibration: sum(range(100)) {calibration():.2f} µs")
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        ingested, mixed = options.ingested, options.ingested // 16
        if ingested:
            print_costs("bare updates", directory, updates(ingested), ingested, options.times)
            print_costs("a mix of 35 events an update", directory, mix(mixed), mixed, options.times)
        run = directory / RUN
        record(run, batches(updates(options.updates)))
        print_sizes(run)
        print_reading(run, options.updates)
        print_peers(directory, options.updates, options.peer_updates)


def calibration() -> float:
    """Return the microseconds of a loop, by which processors can be compared."""
    times = []
    for _ in range(200):
        begin = time.process_time()
        for _ in range(50):
            sum(range(100))
        times.append((time.process_time() - begin) / 50)
    return median(times) * 1e6


def float32(value: object) -> object:
    """Return a float as a trainer on a device measures it."""
    return struct.unpack("f", struct.pack("f", value))[0] if isinstance(value, float) else value


def update_of(number: int, dice: random.Random) -> PPOUpdateCompleted:
    """Return an update with every metric of the catalogue, in single precision."""
    values = structs.asdict(varied_update(number, dice).payload)
    payload = PPOUpdatePayload(**{name: float32(value) for name, value in values.items()})  # type: ignore[arg-type]
    return PPOUpdateCompleted(update=number, payload=payload)


def updates(count: int) -> Iterator[Event]:
    """Yield updates alone; their metrics repeat after a while, which saves the time of making them."""
    made = payloads(min(PERIOD, count))
    return (PPOUpdateCompleted(update=n, payload=made[n % len(made)]) for n in range(1, count + 1))


@cache
def payloads(count: int) -> list[PPOUpdatePayload]:
    """Return different measurements."""
    dice = random.Random(0)
    return [update_of(number, dice).payload for number in range(count)]


def mix(count: int) -> Iterator[Event]:
    """Yield updates with a rollout, 25 decisions and 8 episodes each."""
    for update in updates(count):
        assert isinstance(update, PPOUpdateCompleted)
        number = update.update
        yield RolloutCompleted(update=number, env_steps_total=number * 2048, mean_return=number / 7)
        for step in range(25):
            yield DecisionMade(
                update=number,
                environment=0,
                step=step,
                choices={"op": step},
                confidences={"op": 1 / (1 + step)},
            )
        for environment in range(8):
            yield EpisodeCompleted(environment=environment, episode=number, episode_return=number / 3)
        yield update


def encoded(events: Iterable[Event]) -> Iterator[RawRecord]:
    """Yield the events as the aggregator receives them, one a second."""
    stream = StreamKey(RUN, "trainer:0", 1)
    for seq, event in enumerate(events):
        at_ns = 1_700_000_000_000_000_000 + seq * 1_000_000_000
        yield RawRecord(stream, seq, at_ns, at_ns, encode_event(event))


class Indexed(RecordedSeries):
    """The index of a recording; the time after which it is written is of the processor, not of the day."""

    def __init__(self, run_dir: Path) -> None:
        super().__init__(run_dir, clock=time.process_time)


class NotIndexed(Indexed):
    """A recording without an index."""

    def __init__(self, run_dir: Path) -> None:
        super().__init__(run_dir)
        self.rows = None  # type: ignore[assignment]

    def begin(self, position: int) -> None:
        """Begin with nothing."""

    def flushed(self, *_: object) -> None:
        """Write nothing."""

    close = flushed


def batches(events: Iterable[Event], size: int = BATCH) -> Iterator[list[RawRecord]]:
    """Yield events as they are received between two flushes."""
    received = encoded(events)
    while records := list(islice(received, size)):
        yield records


def record(run: Path, received: Iterable[list[RawRecord]], kind: type[Indexed] = Indexed) -> list[float]:
    """Record batches as the log of a run; return the seconds of the aggregator's work for each of them."""
    with patch("esper_aggregator.recording.RecordedSeries", kind):
        recording = Recording(run, 1)
    spent = [timed_once(lambda records=records: _take(recording, records)) for records in received]  # type: ignore[misc]
    return [*spent, timed_once(recording.close)]


def _take(recording: Recording, records: list[RawRecord]) -> None:
    recording.extend(records)
    recording.flush()
    recording.take_flushed()


def timed_once(action: Callable[[], object]) -> float:
    """Return the seconds of the processor."""
    begin = time.process_time()
    action()
    return time.process_time() - begin


def print_costs(what: str, directory: Path, events: Iterable[Event], count: int, times: int) -> None:
    """Print what the index costs while a run is recorded: the least time of each batch in several turns."""
    received, run, share = list(batches(events)), directory / "cost", 0.0
    least: dict[type[Indexed], list[float]] = {}
    for turn in range(times):
        for kind in (Indexed, NotIndexed) if turn % 2 else (NotIndexed, Indexed):
            spent = record(run, received, kind)
            least[kind] = list(map(min, spent, least.get(kind, spent)))
            share = max(share, index_size(run) / log_size(run))
            shutil.rmtree(run)
    with_index, without = sum(least[Indexed]), sum(least[NotIndexed])
    print(
        f"{what}: {1e6 * without / count:.1f} µs an update, {1e6 * with_index / count:.1f} µs with the index "
        f"(+{100 * (with_index / without - 1):.1f} %); index {share:.2f} of the log"
    )


def index_size(run: Path) -> int:
    """Return the bytes of the index."""
    return sum(path.stat().st_size for path in (run / "log").glob("*.series"))


def log_size(run: Path) -> int:
    """Return the bytes of the log."""
    return sum(path.stat().st_size for path in (run / "log").glob("*.mcap"))


def print_sizes(run: Path) -> None:
    """Print the sizes of log and index."""
    print(f"log {log_size(run) / 1e6:.1f} MB, index {index_size(run) / 1e6:.1f} MB")


def timed(action: Callable[[], object], times: int = 5) -> float:
    """Return the median milliseconds of the processor."""
    spent = []
    for _ in range(times):
        begin = time.process_time()
        action()
        spent.append(1e3 * (time.process_time() - begin))
    return median(spent)


def ask(series: LocalSeries, metrics: tuple[str, ...], x: Axis = "update") -> object:
    """Ask for metrics of the whole run."""
    return finish(series.answer(SeriesQuestion(metrics=metrics, points=BUCKETS, x=x)))


def print_reading(run: Path, count: int) -> None:
    """Print the times of answers from the index."""
    opened = timed(lambda: ask(LocalSeries(run), METRICS[:1]))
    series = LocalSeries(run)
    ask(series, METRICS[:1])
    print(f"{count} updates into {BUCKETS} buckets, ms:")
    print(f"  {'opened and asked for one metric':34} {opened:10.1f}")
    for name, metrics, x in (
        ("one metric", METRICS[:1], "update"),
        ("one metric by time", METRICS[:1], "time"),
        ("16 metrics", METRICS, "update"),
    ):
        spent = timed(lambda metrics=metrics, x=x: ask(series, metrics, x))  # type: ignore[misc]
        print(f"  {name:34} {spent:10.1f}")


def print_peers(directory: Path, count: int, event_count: int) -> None:
    """Print the times of other readers of one metric; slow ones read fewer updates, which is stated."""
    linear = timed(lambda: [r.event.payload.kl_divergence for r in read_records(directory / RUN)], 1)  # type: ignore[union-attr]
    print(f"  {'our log, event by event':34} {linear:10.1f}")
    with suppress(ImportError):
        print_parquet(directory, count)
    with suppress(ImportError):
        print_event_file(directory, event_count)


def print_parquet(directory: Path, count: int) -> None:
    """Print the times of Parquet, read by pyarrow and by DuckDB."""
    import pyarrow
    from pyarrow import parquet

    events = [e.payload for e in updates(PERIOD) if isinstance(e, PPOUpdateCompleted)]
    names = PPOUpdatePayload.__struct_fields__[:-2]
    floats = {n: [float(getattr(p, n) or 0.0) for p in events] for n in names}
    table = pyarrow.table(
        {n: pyarrow.array((v * (count // PERIOD + 1))[:count], "float32") for n, v in floats.items()}
    )
    path = directory / "updates.parquet"
    parquet.write_table(table, path, row_group_size=32_768)
    read = timed(lambda: parquet.read_table(path, columns=["kl_divergence"])["kl_divergence"].to_numpy())
    print(f"  {'Parquet by pyarrow, without buckets':34} {read:10.1f}   ({path.stat().st_size / 1e6:.1f} MB)")
    import duckdb

    query = (
        "SELECT bucket, min(value), avg(value), max(value), last(value) FROM (SELECT kl_divergence AS value, "
        f"file_row_number * {BUCKETS} // {count} AS bucket "
        f"FROM read_parquet('{path}', file_row_number = true)) GROUP BY bucket"
    )
    with duckdb.connect() as connection:
        connection.execute("SET threads = 1")
        print(f"  {'Parquet by DuckDB':34} {timed(lambda: connection.execute(query).fetchnumpy()):10.1f}")


def print_event_file(directory: Path, count: int) -> None:
    """Print the time of EventAccumulator for a file with one tag alone."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.compat.proto.event_pb2 import Event as TensorBoardEvent
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    writer = EventFileWriter(str(directory / "events"))
    for number in range(count):
        values = [Summary.Value(tag=METRICS[0], simple_value=number / 7)]
        writer.add_event(TensorBoardEvent(step=number, wall_time=number, summary=Summary(value=values)))
    writer.close()

    def read() -> object:
        accumulator = EventAccumulator(str(directory / "events"), size_guidance={"scalars": 0})
        accumulator.Reload()
        return accumulator.Scalars(METRICS[0])

    spent = timed(read, 1)
    print(f"  {f'EventAccumulator, {count} updates':34} {spent:10.1f}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--updates", type=int, default=100_000, help="length of the run that is read")
    parser.add_argument(
        "--ingested", type=int, default=17_000, help="length of the runs that are recorded, 0 for none"
    )
    parser.add_argument("--times", type=int, default=7, help="how often each of them is recorded")
    parser.add_argument("--peer-updates", type=int, default=10_000, help="updates in TensorBoard's file")
    return parser.parse_args()


if __name__ == "__main__":
    main()
