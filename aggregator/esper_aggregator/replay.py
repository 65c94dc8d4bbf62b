"""Recorded runs: fold a log from disk, and show its end through the same protocol as a live run."""

from itertools import islice
from pathlib import Path

from esper_aggregator.checkpoints import fold_from
from esper_aggregator.fold.fold import fold
from esper_aggregator.fold.projection import project
from esper_aggregator.fold.run_state import RunState
from esper_aggregator.fold.symptoms import WATCHLIST, Watchlist
from esper_bus.mcap.reader import OnDamage, ignore_damage
from esper_bus.store.run_files import files_at
from esper_bus.store.run_reader import read_records, run_name
from esper_schemas.snapshot import SanctumSnapshot
from esper_schemas.source import Feed


def fold_path(
    path: Path,
    *,
    events: int | None = None,
    watchlist: Watchlist = WATCHLIST,
    on_damage: OnDamage = ignore_damage,
) -> RunState:
    """Fold a run directory or a log file, only its first `events` records if given.

    `watchlist` says what counts as unusual, where a project has bands of its own.

    Raises `EsperError` if there is nothing at `path` that can be read as a log.
    """
    state = RunState(run=run_name(path), watchlist=watchlist)
    for record in read_records(path, on_damage):
        if events is not None and state.events_folded >= events:
            break
        fold(state, record)
    return state


def fold_at(path: Path, events: int, on_damage: OnDamage = ignore_damage) -> RunState:
    """As `fold_path` gives it for the first `events` records, but from the last checkpoint before."""
    restored = fold_from(path, files_at(path), events, on_damage) if path.is_dir() else None
    if restored is None:
        return fold_path(path, events=events, on_damage=on_damage)
    for record in islice(restored.behind, events - restored.state.events_folded):
        fold(restored.state, record.decoded())
    return restored.state


def snapshot_of(
    path: Path, *, events: int | None = None, on_damage: OnDamage = ignore_damage
) -> SanctumSnapshot:
    """The snapshot that a recorded run folds to."""
    return project(fold_path(path, events=events, on_damage=on_damage))


class LogSource:
    """Serves the end of a recorded run as a `SnapshotSource`."""

    def __init__(self, path: Path, on_damage: OnDamage = ignore_damage) -> None:
        self._feed = Feed(snapshot=snapshot_of(path, on_damage=on_damage), live=False, origin=str(path))

    def poll(self) -> Feed:
        """The snapshot at the end of the log."""
        return self._feed

    def close(self) -> None:
        """Nothing is held open."""
