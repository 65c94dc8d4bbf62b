"""A moment of a run as a user writes it: an update, an event, a time, or a mark."""

import re
import time
from datetime import datetime, timedelta

from esper_schemas.errors import InvalidArgument
from esper_schemas.history import AtEvent, AtTime, AtUpdate, Mark, Marks, Moment

HELP = "update:40, event:120, time:12:30, mark:first-critical"
"""An example of each way to name a moment."""
_PREFIXED = re.compile(r"(update|event|time|mark)\s*[:\s]\s*(.+)", re.IGNORECASE | re.DOTALL)
_TIME = re.compile(r"(?:(\d{4}-\d\d-\d\d)[T\s]+)?(\d{1,2}):(\d\d)(?::(\d\d))?")
_BEFORE_LAST = re.compile(r"-[0-9]{1,18}")
_MARK = re.compile(r"(?:(first|last)[-\s]+)?(.+)", re.IGNORECASE | re.DOTALL)
_MOST = 1 << 62


def moment_of(text: str, marks: Marks) -> Moment:
    """The moment that a text names in the run with these marks and ends.

    Without a prefix, a number is an update, -10 the tenth before the last one, a time of day a time, and
    anything else a mark. Raises `InvalidArgument` for a text that names nothing, and for a moment before or
    after the run.
    """
    kind, what = _split(text.strip())
    if kind == "mark":
        return moment_of_mark(_mark(what, marks.marks))
    if kind == "time":
        return AtTime(_time_ns(what, marks))
    if kind == "event":
        return AtEvent(_within(what, "event", 0, marks.last.events))
    if marks.last.update is None:
        raise InvalidArgument("The run has no updates; name an event or a time, such as event:120.")
    if _BEFORE_LAST.fullmatch(what):
        what = str(max(marks.last.update + int(what), 0))
    return AtUpdate(_within(what, "update", first_update(marks), marks.last.update))


def first_update(marks: Marks) -> int:
    """The first update of the run with these ends; 1 if its beginning is before any update."""
    return 1 if marks.first.update is None else marks.first.update


def moment_of_mark(mark: Mark) -> Moment:
    """The moment at which the update of a mark is complete; without an update, that of its event."""
    return AtEvent(mark.place.events) if mark.place.update is None else AtUpdate(mark.place.update)


def _split(text: str) -> tuple[str, str]:
    """The kind of a moment and the rest of its text."""
    if prefixed := _PREFIXED.fullmatch(text):
        return prefixed[1].lower(), prefixed[2].strip()
    if _BEFORE_LAST.fullmatch(text) or (text.isascii() and text.replace(",", "").isdecimal()):
        return "update", text
    return ("time" if _TIME.fullmatch(text) else "mark"), text


def _within(text: str, thing: str, first: int, last: int) -> int:
    digits = text.replace(",", "")
    if not (digits.isascii() and digits.isdecimal()):
        raise InvalidArgument(f"{text!r} is not the number of an {thing}; write {thing}:40, for example.")
    number = min(int(digits[:20]), _MOST)
    if not first <= number <= last:
        raise InvalidArgument(f"The run has no {thing} {number}; choose one from {first} to {last}.")
    return number


def _time_ns(text: str, marks: Marks) -> int:
    """The time of day on the last day of the run that has it, or the time on the day that is given."""
    last_ns = marks.last.time_ns
    if last_ns is None:
        raise InvalidArgument("The run has no events yet, and so no time; try again later.")
    first_ns = marks.first.time_ns or 0
    found = _TIME.fullmatch(text)
    if found is None:
        raise InvalidArgument(f"{text!r} is not a time; write 12:30, 12:30:05 or 2026-05-01 12:30.")
    at = _local(found[1] or datetime.fromtimestamp(last_ns / 1e9).date().isoformat(), found, text)
    if found[1] is None and _ns(at) > last_ns:
        at -= timedelta(days=1)
    # A time without seconds means its whole minute, in which the run may begin.
    until = at if found[4] else at + timedelta(seconds=59, microseconds=999_999)
    if _ns(until) < first_ns or _ns(at) > last_ns:
        begin = f"from {_written(first_ns)} " if first_ns else ""
        raise InvalidArgument(f"The run has no time {text}; choose one {begin}to {_written(last_ns)}.")
    return max(_ns(at), first_ns)


def _local(day: str, found: re.Match[str], text: str) -> datetime:
    try:
        return datetime.fromisoformat(f"{day} {found[2]:>02}:{found[3]}:{found[4] or '00'}")
    except ValueError:
        raise InvalidArgument(f"{text!r} is not a time of any day; write 12:30, for example.") from None


def _ns(at: datetime) -> int:
    return int(at.timestamp()) * 1_000_000_000 + at.microsecond * 1_000


def _written(at_ns: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at_ns / 1e9))


def _mark(text: str, marks: tuple[Mark, ...]) -> Mark:
    """The first or the last mark of a severity, a kind or a rule, or with a text in its title."""
    found = _MARK.fullmatch(text)
    which, what = (found[1] or "first", found[2].strip().lower()) if found else ("first", text)
    exact = [mark for mark in marks if what in (mark.severity, mark.kind, mark.rule.lower())]
    chosen = exact or [mark for mark in marks if what and what in mark.title.lower()]
    if not chosen:
        raise InvalidArgument(_no_mark(text, marks))
    return chosen[0 if which.lower() == "first" else -1]


def _no_mark(text: str, marks: tuple[Mark, ...]) -> str:
    names = {name for mark in marks for name in (mark.severity, mark.kind, mark.rule) if name}
    if not names:
        return f"The run has no mark {text!r}, nor any other; name an update or a time."
    return f"The run has no mark {text!r}; its marks are {', '.join(sorted(names)[:8])}."
