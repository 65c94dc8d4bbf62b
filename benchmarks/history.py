"""What it costs to keep the past of a run, and to go to any moment of it.

`python -m benchmarks.history` records a log of bare updates, or with `--mix` one of 35 events an update, by
the code of the aggregator; then it folds the log from its beginning, opens it through its checkpoints, and
goes to random updates. Times are processor time of this process; a loop for calibration is in the same table.
"""

import argparse
import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count, islice
from pathlib import Path

from benchmarks.fold import full_update, microseconds
from msgspec import structs

from esper_aggregator.fold.projection import project
from esper_aggregator.past.checkpoint_file import CheckpointReader, checkpoint_path
from esper_aggregator.past.checkpoint_writer import CheckpointWriter
from esper_aggregator.past.open_past import open_past
from esper_aggregator.past.run_past import RunPast
from esper_aggregator.past.steps import finish
from esper_aggregator.recording import Recording
from esper_aggregator.replay import fold_path
from esper_bus.records import RawRecord, StreamKey
from esper_schemas import events as e
from esper_schemas.codec import encode_event
from esper_schemas.history import AtUpdate
from esper_schemas.payload import PPOUpdatePayload

BATCH = 64
SEEKS = 100
SECOND = 1_000_000_000
_STREAM = StreamKey("run", "trainer:0", 1)


_VALUES = structs.asdict(full_update(1).payload)
_FLOATS = [name for name, value in _VALUES.items() if isinstance(value, float)]


def varied_update(number: int, dice: random.Random) -> e.PPOUpdateCompleted:
    """A healthy update in which all floats differ, so that it compresses like a real one."""
    varied = {name: _VALUES[name] * (1 - 0.001 * dice.random()) for name in _FLOATS}
    return e.PPOUpdateCompleted(update=number, payload=PPOUpdatePayload(**_VALUES | varied))


def updates(dice: random.Random) -> Iterator[list[e.Event]]:
    """One event an update."""
    for number in count(1):
        yield [varied_update(number, dice)]


def mix(dice: random.Random) -> Iterator[list[e.Event]]:
    """Thirty-five events an update, as a training with sixteen environments has them."""
    for number in count(1):
        returns = [dice.gauss(1.0, 0.1) for _ in range(16)]
        decisions = [
            e.DecisionMade(
                update=number, environment=0, step=n, choices={"op": 1}, confidences={"op": dice.random()}
            )
            for n in range(8)
        ]
        stages = [
            e.SeedStageChanged(
                update=number, environment=0, step=n, slot=0, from_stage=1, to_stage=2, alpha=dice.random()
            )
            for n in range(8)
        ]
        yield [
            *(
                e.EpisodeCompleted(environment=n, episode=16 * number + n, episode_return=value, length=100)
                for n, value in enumerate(returns)
            ),
            *decisions,
            *stages,
            e.VitalsSampled(cpu_share=dice.random(), memory_bytes=10**9),
            e.RolloutCompleted(
                update=number, env_steps=1600, env_steps_total=1600 * number, mean_return=sum(returns) / 16
            ),
            varied_update(number, dice),
        ]


def batches(groups: Iterator[list[e.Event]], events: int) -> Iterator[list[RawRecord]]:
    """The records of a number of events, as an aggregator receives them: a second for each update."""
    numbers = count()
    raw = (
        RawRecord(_STREAM, next(numbers), at * SECOND, at * SECOND, encode_event(event))
        for at, group in enumerate(groups, 1_700_000_000)
        for event in group
    )
    limited = islice(raw, events)
    while batch := list(islice(limited, BATCH)):
        yield batch


def record(run_dir: Path, received: list[list[RawRecord]]) -> float:
    """Record a run; returns the seconds for it."""
    recording = Recording(run_dir, 1)
    start = time.process_time()
    for batch in received:
        recording.extend(batch)
        recording.flush()
    seconds = time.process_time() - start
    recording.close()
    return seconds


def measure(events: int, *, mixed: bool, directory: Path) -> dict[str, float]:
    """All numbers of one kind of log."""
    dice = random.Random(1)
    results = {"calibration: sum(range(100)), µs": microseconds(lambda n: sum(range(100)))}
    received = list(batches((mix if mixed else updates)(dice), events))
    results |= _recorded(received, directory)
    del received
    run_dir = directory / "run"
    results["a plain fold, s"] = _seconds(lambda: fold_path(run_dir))
    past: list[RunPast] = []
    results["open at the end, ms"] = 1e3 * _seconds(lambda: past.append(open_past(run_dir)))
    results["the snapshot at the end, ms"] = 1e3 * _seconds(lambda: project(past[0]._end.state))
    results["marks, ms"] = 1e3 * _seconds(past[0].marks)
    results |= _seeks(past[0], dice)
    results |= _commands(run_dir)
    checkpoint_path(run_dir).unlink()
    first = _seconds(lambda: open_past(run_dir))
    results["open without checkpoints, times a plain fold"] = first / results["a plain fold, s"]
    return results


def _recorded(received: list[list[RawRecord]], directory: Path) -> dict[str, float]:
    """The costs of checkpoints: time beside recording without them, and disk space beside the log."""
    save, part = CheckpointWriter.save_if_due, received[: len(received) // 4]
    ratios = []
    for turn in range(3):
        CheckpointWriter.save_if_due = lambda *_: None  # type: ignore[method-assign, assignment]
        bare = record(directory / f"bare{turn}" / "run", part)
        CheckpointWriter.save_if_due = save  # type: ignore[method-assign]
        ratios.append(record(directory / f"kept{turn}" / "run", part) / bare)
    seconds = record(directory / "run", received)
    log = sum(path.stat().st_size for path in (directory / "run" / "log").glob("*.mcap"))
    found = CheckpointReader(directory / "run").refresh()
    longest = max(each.events - each.head.interval.begin for each in found)
    return {
        "events": float(found[-1].events),
        "recording, µs an event": 1e6 * seconds / found[-1].events,
        "recording, times that without checkpoints": statistics.median(ratios),
        "checkpoints": float(len(found)),
        "events between two checkpoints, at most": float(longest),
        "log, MB": log / 1e6,
        "checkpoints, share of the log": checkpoint_path(directory / "run").stat().st_size / log,
    }


def _seeks(past: RunPast, dice: random.Random) -> dict[str, float]:
    """Milliseconds to random updates, to the next, to the one before, and back to one that was shown."""
    newest = past.marks().last.update or 1
    times: dict[str, list[float]] = {name: [] for name in ("random", "next", "previous", "shown before")}
    for update in (dice.randrange(3, newest - 1) for _ in range(SEEKS)):
        steps = {"random": update, "next": update + 1, "previous": update - 1, "shown before": update}
        for name, target in steps.items():
            times[name].append(1e3 * _seconds(partial(finish, past.snapshot(AtUpdate(target)))))
    results = {}
    for name, measured in times.items():
        results[f"to an update, {name}, ms, median"] = statistics.median(measured)
        results[f"to an update, {name}, ms, 99 of 100"] = sorted(measured)[int(0.99 * (len(measured) - 1))]
    return results


def _commands(run_dir: Path) -> dict[str, float]:
    """Seconds of a process that prints the end of the run, and of one that prints its version only."""
    commands = {
        "esper --version": ["esper_cli", "--version"],
        "esper state": ["esper_cli", "state", str(run_dir)],
        "esper state --at update:1000": ["esper_cli", "state", str(run_dir), "--at", "update:1000"],
        "esper diagnose": ["esper_cli", "diagnose", str(run_dir)],
        "sanctum --once": ["esper_cli.sanctum", str(run_dir), "--once"],
    }
    results = {}
    for name, command in commands.items():
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-m", *command], check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        results[f"`{name}`, s"] = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return results


def _seconds(action: Callable[[], object]) -> float:
    start = time.process_time()
    action()
    return time.process_time() - start


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--mix", action="store_true", help="35 events an update instead of one")
    parser.add_argument("--events", type=int, default=50_000, help="length of the log (default: %(default)s)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        results = measure(options.events, mixed=options.mix, directory=Path(name))
    if options.json:
        json.dump(results, sys.stdout)
        return
    for what, value in results.items():
        print(f"{what:<56} {value:>12,.3f}")


if __name__ == "__main__":
    main()
