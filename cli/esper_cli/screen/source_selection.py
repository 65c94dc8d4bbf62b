"""What Sanctum shows: the aggregator on this machine, one elsewhere, or a recorded run."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, TypeGuard

from esper_bus import addresses, paths
from esper_bus.auth.keys import client_keys_for
from esper_bus.host.aggregator_lock import local_runs_dirs
from esper_bus.names import check_name
from esper_cli.output.command_failure import CommandError
from esper_cli.output.damage_report import damage_reporter
from esper_schemas.declarations import RunThresholds
from esper_schemas.errors import InvalidArgument
from esper_schemas.source import Feed, SnapshotSource

if TYPE_CHECKING:
    from esper_bus.net.snapshot_source import SocketSource

FIRST_SNAPSHOT_TIMEOUT_S = 3.0
ALL_RUNS_S = 0.2
"""Time from the first snapshot of an aggregator until those of its other runs have arrived."""
MOST_NAMED = 8
"""The largest number of runs that an error names."""


def open_source(
    target: str | None,
    key_file: Path | None = None,
    *,
    run: str | None = None,
    compress: bool | None = None,
    thresholds: RunThresholds | None = None,
) -> SnapshotSource:
    """Open an address, a path, or the local aggregator for None.

    run: the run of the aggregator to show; None for the newest. compress: whether snapshots are sent
    compressed; None for those from other machines only. thresholds: bounds that replace those of a recorded
    run. Raises `InvalidArgument` for an option that the target does not have.
    """
    if is_recorded(target):
        return _recorded(Path(target), run, thresholds)
    if thresholds is not None:
        raise InvalidArgument(
            "--thresholds needs a recorded run, as an aggregator has judged what it sends; name the run, or "
            "start the aggregator with --thresholds."
        )
    source = _live(target, key_file, compress)
    if run is not None:
        source.select(check_name("run", run))
    return source


def _recorded(path: Path, run: str | None, thresholds: RunThresholds | None) -> SnapshotSource:
    from esper_aggregator.log_source import LogSource

    if run is not None:
        raise InvalidArgument(
            f"--run chooses one of the runs of an aggregator, and {path} is a recorded run; leave out --run."
        )
    return LogSource(path, damage_reporter("sanctum", path), thresholds)


def _live(target: str | None, key_file: Path | None, compress: bool | None) -> "SocketSource":
    from esper_bus.net.snapshot_source import SocketSource

    if target is None:
        return SocketSource(local_endpoints, compress=compress)
    endpoints = addresses.parse(target, keyed=key_file is not None)
    keys = client_keys_for(endpoints.ingest, key_file)
    return SocketSource(lambda: endpoints, target, keys, compress=compress)


def is_recorded(target: str | None) -> TypeGuard[str]:
    """Whether a target is the path of a recorded run."""
    return target is not None and "://" not in target


def local_endpoints() -> addresses.Endpoints:
    """The aggregator of the default runs directory, or else the newest one that this user runs."""
    here = paths.default_runs_dir()
    alive = local_runs_dirs()
    if alive and here.resolve() not in alive:
        here = alive[0]
    return addresses.for_runs_dir(here)


def read_whole(source: SnapshotSource) -> None:
    """Read a recorded run to its end before it is printed, with progress on the terminal."""
    from esper_aggregator.log_source import LogSource
    from esper_cli.output.reading_progress import reading_progress

    if isinstance(source, LogSource):
        with reading_progress("sanctum", source.path) as show:
            source.read_all(show)


def _with_all_runs(source: SnapshotSource) -> Feed:
    """The feed once the runs, which an aggregator sends one after another, have arrived."""
    until = time.monotonic() + ALL_RUNS_S
    while time.monotonic() < until:
        source.poll()
        time.sleep(0.02)
    return source.poll()


def first_feed(source: SnapshotSource) -> Feed:
    """The first snapshot of a source: of an aggregator that of its newest run, unless one is selected. Raises
    `CommandError` if none arrives within a few seconds.
    """
    deadline = time.monotonic() + FIRST_SNAPSHOT_TIMEOUT_S
    feed = Feed()
    while time.monotonic() < deadline:
        feed = source.poll()
        if feed.problem:
            raise CommandError(feed.problem)
        if feed.snapshot.events_folded:
            return feed if feed.selected or not feed.live else _with_all_runs(source)
        time.sleep(0.02)
    if feed.selected and feed.runs:
        runs = ", ".join(feed.runs[:MOST_NAMED])
        raise CommandError(f"{feed.origin} has no run {feed.selected!r}; its newest runs are: {runs}")
    raise CommandError(
        "no aggregator answered; start a training with `esper ppo`, "
        "or name a recorded run: `sanctum runs/NAME`"
    )
