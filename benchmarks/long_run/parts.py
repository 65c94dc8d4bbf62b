"""The parts of the measurement, each of which is run by a process of its own.

`python -m benchmarks.long_run.parts NAME RUN` prints a JSON object of numbers. Modules are imported by the
part that needs them, so that the memory of a part is its own.
"""

import json
import os
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout, suppress
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TypeVar

SEEKS = 300
"""Random updates that are visited."""
REPEATS = 15
"""Answers of which the median is taken."""
_STEP = 64
_T = TypeVar("_T")


def seconds(action: Callable[[], object]) -> float:
    """Return the processor time of an action."""
    begin = time.process_time()
    action()
    return time.process_time() - begin


def peak_megabytes() -> float:
    """Return the most memory that this process has had, without what its parent had before it began."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024


def record(run: Path, events: int, *, mixed: bool) -> dict[str, float]:
    """Record a run by the code of the aggregator."""
    from benchmarks import series

    from esper_aggregator.past.checkpoint_file import checkpoint_path

    received = islice((series.mix if mixed else series.updates)(events), events)
    series.payloads(min(series.PERIOD, events))
    before = peak_megabytes()
    spent = sum(series.record(run, series.batches(received)))
    return {
        "recording, µs an event": 1e6 * spent / events,
        "memory that recording adds, MB": peak_megabytes() - before,
        "log, MB": series.log_size(run) / 1e6,
        "index, share of the log": series.index_size(run) / series.log_size(run),
        "checkpoints, share of the log": checkpoint_path(run).stat().st_size / series.log_size(run),
    }


def plain_fold(run: Path) -> dict[str, float]:
    """Fold the log from its beginning, as a reader without checkpoints would."""
    from esper_aggregator.replay import fold_path

    return {"plain fold, s": seconds(lambda: fold_path(run))}


def first_open(run: Path) -> dict[str, float]:
    """Open the past of a run without checkpoints, by turns with a plain fold of the same events."""
    from esper_aggregator.fold.fold import fold
    from esper_aggregator.fold.run_state import RunState
    from esper_aggregator.past.run_past import RunPast
    from esper_bus.store.run_reader import read_records, readable_files

    files = readable_files(run)
    records, state = read_records(run), RunState(run=run.name)
    opening = RunPast(run.name, run).open(files)

    def fold_step() -> None:
        for record in islice(records, _STEP):
            fold(state, record)

    spent = {"open": 0.0, "fold": 0.0}
    for _ in _steps(opening, spent):
        spent["fold"] += seconds(fold_step)
    return {"open it the first time, times a plain fold": spent["open"] / spent["fold"]}


def _steps(steps: Iterator[None], spent: dict[str, float]) -> Iterator[None]:
    """Do steps, and yield after each of them; their time is added to `spent`."""
    end = object()
    while True:
        begin = time.process_time()
        step = next(steps, end)
        spent["open"] += time.process_time() - begin
        if step is end:
            return
        yield


def open_first(run: Path) -> dict[str, float]:
    """Open the past of a run without checkpoints, for its memory."""
    from esper_aggregator.past.open_past import open_past

    return {"open it the first time, s": seconds(lambda: open_past(run))}


def first_series(run: Path) -> dict[str, float]:
    """Chart one metric of a run without an index."""
    from benchmarks.series import METRICS, ask

    from esper_aggregator.past.local_series import LocalSeries

    return {"chart one metric the first time, s": seconds(lambda: ask(LocalSeries(run), METRICS[:1]))}


def open_end(run: Path) -> dict[str, float]:
    """Open the past of a run and show its end."""
    from esper_aggregator.fold.projection import project
    from esper_aggregator.past.open_past import open_past

    return {"open it and show its end, ms": 1e3 * seconds(lambda: project(open_past(run)._end.state))}


def seeks(run: Path) -> dict[str, float]:
    """Visit random updates, their neighbours, and updates that were shown before."""
    from esper_aggregator.past.open_past import open_past
    from esper_aggregator.past.steps import finish
    from esper_schemas.history import AtUpdate

    past, dice = open_past(run), random.Random(1)
    newest = past.marks().last.update or 1
    times: dict[str, list[float]] = {}
    for update in (dice.randrange(3, newest - 1) for _ in range(SEEKS)):
        visits = {"random": update, "next": update + 1, "previous": update - 1, "shown before": update}
        for name, target in visits.items():
            spent = seconds(partial(finish, past.snapshot(AtUpdate(target))))
            times.setdefault(name, []).append(1e3 * spent)
    return {
        f"{name} update, ms, {what}": value
        for name, measured in times.items()
        for what, value in (
            ("median", statistics.median(measured)),
            ("99 of 100", sorted(measured)[int(0.99 * (len(measured) - 1))]),
        )
    } | {"all marks, ms": 1e3 * seconds(past.marks)}


def series(run: Path) -> dict[str, float]:
    """Ask for one metric and for sixteen of them in 2,000 buckets."""
    from benchmarks.series import METRICS, ask

    from esper_aggregator.past.local_series import LocalSeries

    series = LocalSeries(run)
    first = 1e3 * seconds(lambda: ask(series, METRICS[:1]))
    return {
        "one metric in 2,000 buckets, opened before, ms": _median_ms(lambda: ask(series, METRICS[:1])),
        "16 metrics in 2,000 buckets, ms": _median_ms(lambda: ask(series, METRICS)),
        "open it and ask for one metric, ms": first,
    }


def linear_read(run: Path) -> dict[str, float]:
    """Read one metric event by event."""
    from esper_bus.store.run_reader import read_records
    from esper_schemas.events import PPOUpdateCompleted

    def read() -> list[float]:
        events = (record.event for record in read_records(run))
        return [e.payload.kl_divergence for e in events if isinstance(e, PPOUpdateCompleted)]

    return {"one metric, our log event by event, ms": 1e3 * seconds(read)}


def _median_ms(action: Callable[[], object]) -> float:
    return 1e3 * statistics.median(seconds(action) for _ in range(REPEATS))


def restart(run: Path) -> dict[str, float]:
    """Continue the recording of a run, as an aggregator that was restarted."""
    from esper_aggregator.recording import Recording

    return {"restart the aggregator, ms": 1e3 * seconds(lambda: Recording(run, 2))}


def _command(name: str, module: str, *arguments: str) -> Callable[[Path], dict[str, float]]:
    """Return a part that runs a command; its time is that of the process since its start."""

    def part(run: Path) -> dict[str, float]:
        from importlib import import_module

        given = [str(run) if argument == "RUN" else argument for argument in arguments]
        with Path(os.devnull).open("w") as nothing, redirect_stdout(nothing):
            code = import_module(module).main(given)
        if code:
            raise SystemExit(f"{name} failed")
        return {f"`{name}`, s": time.process_time()}

    return part


def version(_: Path) -> dict[str, float]:
    """Start a process that prints the version: what every command needs."""
    with Path(os.devnull).open("w") as nothing, redirect_stdout(nothing):
        from esper_cli.esper import main

        with suppress(SystemExit):
            main(["--version"])
    return {"`esper --version`, s": time.process_time()}


COMMANDS = {
    "state": _command("esper state", "esper_cli.esper", "state", "RUN"),
    "state_at": _command(
        "esper state --at update:1000", "esper_cli.esper", "state", "RUN", "--at", "update:1000"
    ),
    "diagnose": _command("esper diagnose", "esper_cli.esper", "diagnose", "RUN"),
    "frame": _command("sanctum --once", "esper_cli.sanctum", "RUN", "--once"),
}
PARTS: dict[str, Callable[[Path], dict[str, float]]] = {
    part.__name__: part
    for part in (
        plain_fold,
        first_open,
        open_first,
        first_series,
        open_end,
        seeks,
        series,
        linear_read,
        restart,
        version,
    )
} | COMMANDS


def main() -> None:
    """Run one part and print its numbers."""
    name, path, *options = sys.argv[1:]
    if name == "record":
        events, mixed = options
        results = record(Path(path), int(events), mixed=mixed == "mixed")
    else:
        results = PARTS[name](Path(path))
    print(json.dumps(results | {"memory, MB": peak_megabytes()}))


if __name__ == "__main__":
    main()
