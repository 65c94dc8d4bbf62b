"""The cost of an event for the aggregator: decode, fold, project, encode; with a loop for calibration.

python benchmarks/fold.py [--json]
"""

import argparse
import json
import random
import statistics
import time
import tracemalloc
from collections.abc import Callable
from functools import cache
from itertools import count, islice

import msgspec
from msgspec import structs

from esper_aggregator.fold.fold import fold, fold_all
from esper_aggregator.fold.projection import project
from esper_aggregator.fold.run_state import RunState
from esper_schemas.codec import decode_event, decode_snapshot, encode_event, encode_snapshot
from esper_schemas.events import PPOUpdateCompleted, Record
from esper_schemas.judgement import Health, judge
from esper_schemas.metrics.catalogue import CATALOGUE, QUANTITIES, MetricField
from esper_schemas.payload import PPOUpdatePayload
from esper_schemas.rules.bounded_watches import bounded_watches
from esper_schemas.rules.declared_ranges import RANGES
from esper_schemas.rules.watched_row import FINITE

REPEATS = 2_000
NEW_EVENTS = 50


WATCHED = tuple(bounded_watches(QUANTITIES))

HEALTHY_VALUES = (4, 0.9, 0.5, 1.1, 0.005, 0, -0.5, 1.5)
"""At least one of these is healthy for every metric."""


def full_update(number: int, *, healthy: bool = True) -> PPOUpdateCompleted:
    """An update with every field measured; healthy, or with nearly every field beyond its bounds."""
    values = healthy_values() if healthy else {name: number + index for index, name in enumerate(CATALOGUE)}
    return PPOUpdateCompleted(update=number, payload=msgspec.convert(values, PPOUpdatePayload, strict=False))


def varied_update(number: int, dice: random.Random) -> PPOUpdateCompleted:
    """A healthy update in which all floats differ, so that it compresses like a real one."""
    values = structs.asdict(full_update(number).payload)
    varied = {
        name: value * (1 - 0.001 * dice.random()) if isinstance(value, float) else value
        for name, value in values.items()
    }
    return PPOUpdateCompleted(update=number, payload=PPOUpdatePayload(**varied))


@cache
def healthy_values() -> dict[str, float]:
    """A healthy value of every metric."""
    return {name: healthy_value(field) for name, field in CATALOGUE.items()}


def healthy_value(field: MetricField) -> float:
    """A value within the range and the bands of a metric and within its watches, an integer for a count."""
    low, high = RANGES.get(field.name, FINITE)
    values = [value for value in HEALTHY_VALUES if field.metric.precision or isinstance(value, int)]
    watches = [watch for watch in WATCHED if watch.metric == field.name]
    values = [
        value
        for value in values
        if low <= value <= high and not any(watch.is_beyond(value, watch.warning) for watch in watches)
    ]
    judged = ((value, judge(field.metric, value, maximum=field.maximum)) for value in values)
    return next(value for value, health in judged if health is Health.OK)


def record(event: PPOUpdateCompleted, seq: int) -> Record:
    """The event as it is read from a log."""
    return Record(run="r", producer="h:0", epoch=1, seq=seq, emitted_ns=seq, received_ns=seq, event=event)


def microseconds(action: Callable[[int], object], before: Callable[[int], object] | None = None) -> float:
    """The median time of one call, without the time of `before`."""
    times = []
    for n in range(REPEATS):
        if before:
            before(n)
        start = time.perf_counter_ns()
        action(n)
        times.append(time.perf_counter_ns() - start)
    return statistics.median(times) / 1_000


def measure() -> dict[str, float]:
    """Median microseconds of each step, for one producer with full histories."""
    raw = encode_event(full_update(1))
    event = decode_event(raw)
    assert isinstance(event, PPOUpdateCompleted)
    records = [record(event, seq) for seq in range(2 * REPEATS)]
    more = (record(event, seq) for seq in count(2 * REPEATS))
    state = RunState()
    results = {
        "calibration: sum(range(100))": microseconds(lambda n: sum(range(100))),
        "decode event": microseconds(lambda n: decode_event(raw)),
        "fold": microseconds(lambda n: fold(state, records[n])),
        "decode + fold": microseconds(
            lambda n: fold(state, record(decode_event(raw), REPEATS + n))  # type: ignore[arg-type]
        ),
        "project, one new event": microseconds(lambda n: project(state), lambda n: fold(state, next(more))),
        f"project, {NEW_EVENTS} new events": microseconds(
            lambda n: project(state), lambda n: fold_all(islice(more, NEW_EVENTS), state)
        ),
    }
    sick = full_update(1, healthy=False)
    faults = [record(sick, seq) for seq in range(REPEATS)]
    broken = RunState()
    results["fold, nearly everything critical"] = microseconds(lambda n: fold(broken, faults[n]))
    results["project, nearly everything critical"] = microseconds(lambda n: project(broken))
    snapshot = project(state)
    body = encode_snapshot(snapshot)
    results["encode snapshot"] = microseconds(lambda n: encode_snapshot(snapshot))
    results["decode snapshot"] = microseconds(lambda n: decode_snapshot(body))
    results["snapshot size, bytes"] = len(body)
    return results


def memory(events: int) -> int:
    """The bytes that are held after the given number of updates of one producer."""
    raw = encode_event(full_update(1))
    state = RunState()
    tracemalloc.start()
    for seq in range(events):
        fold(state, record(decode_event(raw), seq))  # type: ignore[arg-type]
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return held


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--events", type=int, default=10_000, help="for the memory (default: %(default)s)")
    arguments = parser.parse_args()
    results = measure() | {f"state after {arguments.events} events, bytes": memory(arguments.events)}
    if arguments.json:
        print(json.dumps(results))
        return
    for name, value in results.items():
        print(f"{name:<36} {value:>10,.2f}" + ("" if "bytes" in name else " µs"))


if __name__ == "__main__":
    main()
