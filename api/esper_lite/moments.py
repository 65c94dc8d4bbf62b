"""Moments of a run as a program names them: by update, event or time."""

from datetime import datetime

from esper_schemas.errors import InvalidArgument
from esper_schemas.history import AtEvent, AtTime, AtUpdate, Marks, Moment, PastSnapshot

_MOST = 1 << 62


def moment_of(update: int | None, event: int | None, time: float | datetime | None) -> Moment:
    """Return the moment that is given in one of three ways. Raises `InvalidArgument` for none or several."""
    if sum(value is not None for value in (update, event, time)) != 1:
        raise InvalidArgument("Name one moment: pass either update, event or time.")
    for name, number in (("update", update), ("event", event)):
        if number is not None and not 0 <= number <= _MOST:
            raise InvalidArgument(f"{name}={number} is not a number of a run; pass 0 or more.")
    if update is not None:
        return AtUpdate(update)
    if event is not None:
        return AtEvent(event)
    seconds = time.timestamp() if isinstance(time, datetime) else float(time or 0.0)
    try:
        return AtTime(min(max(int(seconds * 1e9), -_MOST), _MOST))
    except (ValueError, OverflowError):
        raise InvalidArgument(f"time={time} is not a time; pass seconds since 1970, or a datetime.") from None


def is_at(found: PastSnapshot, moment: Moment) -> bool:
    """Whether a snapshot is that of a moment, and not of the nearest one that the run has."""
    match moment:
        case AtUpdate(update):
            return found.place.update == update
        case AtEvent(events):
            return found.place.events == events
        case AtTime():
            return found.place.time_ns is not None


def not_in_run(moment: Moment, marks: Marks) -> str:
    """Say in one sentence that a run does not have a moment, and which ones it has."""
    first, last = marks.first, marks.last
    match moment:
        case AtUpdate(update):
            if last.update is None:
                return "The run has no updates yet; pass event or time."
            return (
                f"The run has no update {update:,}; its updates are {first.update or 1:,} to {last.update:,}."
            )
        case AtEvent(events):
            return f"The run has no event {events:,}; it has {last.events:,}."
        case AtTime():
            return "The run began after that time; pass a later one."
