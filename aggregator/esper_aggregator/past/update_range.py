"""The positions in a run at which a range of updates begins and ends."""

from pathlib import Path
from typing import NamedTuple

from esper_aggregator.past.open_past import open_past
from esper_aggregator.past.run_past import RunPast
from esper_aggregator.past.steps import finish
from esper_bus.mcap.reader import OnDamage, ignore_damage
from esper_schemas.errors import InvalidArgument
from esper_schemas.history import AtUpdate
from esper_schemas.moment_text import first_update


class PositionRange(NamedTuple):
    """The events from position `first` on and before `last`; `events` is the number of all events."""

    first: int
    last: int
    events: int


def range_of_updates(
    path: Path, first: int | None, last: int | None, on_damage: OnDamage = ignore_damage
) -> PositionRange:
    """Return the positions of the updates `first` to `last`, both included; None for the ends of the run.

    Raises `InvalidArgument` for updates that the run does not have, `EsperError` if `path` cannot be read.
    """
    past = open_past(path, on_damage=on_damage)
    _check(path, past, first, last)
    begin = 0 if first is None else finish(past.position(AtUpdate(first - 1)))
    end = past.events if last is None else finish(past.position(AtUpdate(last)))
    return PositionRange(begin, max(begin, end), past.events)


def _check(path: Path, past: RunPast, first: int | None, last: int | None) -> None:
    marks = past.marks()
    oldest, newest = first_update(marks), marks.last.update
    if newest is None:
        raise InvalidArgument(f"{path} has no updates yet; leave out the range of updates.")
    for update in (first, last):
        if update is not None and not oldest <= update <= newest:
            raise InvalidArgument(
                f"{path} has the updates {oldest:,} to {newest:,}, and no update {update:,}."
            )
    if first is not None and last is not None and first > last:
        raise InvalidArgument(f"Update {first:,} is behind update {last:,}; exchange the two.")
