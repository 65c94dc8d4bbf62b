"""Folds recorded runs to a state or a snapshot."""

from itertools import islice
from pathlib import Path

from esper_aggregator.fold.fold import fold_all
from esper_aggregator.fold.projection import project
from esper_aggregator.fold.run_state import RunState
from esper_aggregator.fold_checkpoints import restore_before
from esper_aggregator.past.open_past import open_past
from esper_aggregator.past.steps import finish
from esper_bus.mcap.reader import OnDamage, ignore_damage
from esper_bus.store.run_reader import read_records, run_name
from esper_schemas.declarations import RunThresholds
from esper_schemas.snapshot import SanctumSnapshot


def fold_path(
    path: Path,
    *,
    events: int | None = None,
    given: RunThresholds | None = None,
    on_damage: OnDamage = ignore_damage,
) -> RunState:
    """Fold a run directory or a log file from its beginning, or only its first `events` records.

    `given` are thresholds that replace those of the run.

    Raises `EsperError` if nothing at `path` can be read as a log.
    """
    state = RunState(run=run_name(path), given=given)
    return fold_all(islice(read_records(path, on_damage), events), state)


def fold_at(
    path: Path,
    events: int | None,
    given: RunThresholds | None = None,
    on_damage: OnDamage = ignore_damage,
) -> RunState:
    """Return what `fold_path` returns, from the last checkpoint on; `None` for all events, for which a run
    without checkpoints may have a kept past.
    """
    restored = restore_before(path, events, given, on_damage) if path.is_dir() else None
    if restored is None and events is not None:
        return fold_path(path, events=events, given=given, on_damage=on_damage)
    if restored is None:
        past = open_past(path, given, on_damage)
        return finish(past.state_at(past.events))
    state, not_folded = restored
    rest = None if events is None else events - state.events_folded
    return fold_all((record.decoded() for record in islice(not_folded, rest)), state)


def snapshot_of(
    path: Path,
    *,
    events: int | None = None,
    given: RunThresholds | None = None,
    on_damage: OnDamage = ignore_damage,
) -> SanctumSnapshot:
    """Return the snapshot of a recorded run, or of its first `events` records."""
    return project(fold_path(path, events=events, given=given, on_damage=on_damage))
