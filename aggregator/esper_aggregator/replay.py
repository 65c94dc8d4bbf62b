"""Folds recorded runs to a state or a snapshot."""

from itertools import islice
from pathlib import Path

from esper_aggregator.fold.fold import fold_all
from esper_aggregator.fold.projection import project
from esper_aggregator.fold.run_state import RunState
from esper_aggregator.fold_checkpoints import restore_before
from esper_bus.mcap.reader import OnDamage, ignore_damage
from esper_bus.store.run_reader import read_records, readable_files, run_name
from esper_schemas.declarations import RunThresholds
from esper_schemas.snapshot import SanctumSnapshot


def fold_path(
    path: Path,
    *,
    events: int | None = None,
    given: RunThresholds | None = None,
    on_damage: OnDamage = ignore_damage,
) -> RunState:
    """Fold a run directory or a log file, or only its first `events` records.

    `given` are thresholds that replace those of the run.

    Raises `EsperError` if nothing at `path` can be read as a log.
    """
    state = RunState(run=run_name(path), given=given)
    return fold_all(islice(read_records(path, on_damage), events), state)


def fold_at(path: Path, events: int, on_damage: OnDamage = ignore_damage) -> RunState:
    """Return what `fold_path` returns for the first `events` records, beginning at the last checkpoint."""
    restored = restore_before(path, readable_files(path), events, on_damage) if path.is_dir() else None
    if restored is None:
        return fold_path(path, events=events, on_damage=on_damage)
    state, not_folded = restored
    return fold_all((r.decoded() for r in islice(not_folded, events - state.events_folded)), state)


def snapshot_of(
    path: Path,
    *,
    events: int | None = None,
    given: RunThresholds | None = None,
    on_damage: OnDamage = ignore_damage,
) -> SanctumSnapshot:
    """Return the snapshot of a recorded run, or of its first `events` records."""
    return project(fold_path(path, events=events, given=given, on_damage=on_damage))
