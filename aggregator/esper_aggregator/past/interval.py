"""What finds the moments of a part of a log again: where updates begin, when, and what happened."""

from array import array
from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise
from operator import attrgetter
from typing import NamedTuple

import msgspec
import zstandard

from esper_schemas.history import Mark

_MOST_BYTES = 64 * 1024 * 1024


class Entry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """From `events` events on a log is in `update`, which began at `time_ns`."""

    events: int
    update: int
    time_ns: int


class Interval(msgspec.Struct, frozen=True):
    """The events of a log after the first `begin` events, up to `end`.

    `packed` has the entries into updates, `first` and `last` are two of them, `lowest` is their lowest
    update. `earliest_ns` is the lowest time of an event. `marks` are in the order of their places.
    """

    begin: int
    end: int
    packed: bytes = b""
    first: Entry | None = None
    last: Entry | None = None
    lowest: int | None = None
    earliest_ns: int | None = None
    marks: tuple[Mark, ...] = ()

    @classmethod
    def of(
        cls, begin: int, end: int, entries: Sequence[Entry], earliest_ns: int | None, marks: Sequence[Mark]
    ) -> "Interval":
        """Return the interval with these entries."""
        if not entries:
            return cls(begin, end, earliest_ns=earliest_ns, marks=tuple(marks))
        return cls(
            begin,
            end,
            _pack(entries),
            entries[0],
            entries[-1],
            min(entry.update for entry in entries),
            earliest_ns,
            tuple(marks),
        )

    def entries(self) -> list[Entry]:
        """Return the entries. Raises `zstandard.ZstdError` or `ValueError` for damaged bytes."""
        return _unpack(self.packed) if self.packed else []


class Span(NamedTuple):
    """The positions of a log, both inclusive, at which it is in `update`, which began at `time_ns`."""

    first: int
    last: int
    update: int | None = None
    time_ns: int | None = None


def span_of_update(intervals: Sequence[Interval], update: int) -> Span:
    """Return the last part of a log that is not beyond an update: in it, or in the nearest one before."""
    last = intervals[-1].end if intervals else 0
    for interval in reversed(intervals):
        if interval.first is None or interval.lowest is None:
            continue
        if interval.lowest <= update:
            return _last_entry(interval, last, lambda entry: entry.update <= update)
        last = interval.first.events - 1
    return Span(0, last)


def span_at(intervals: Sequence[Interval], events: int) -> Span:
    """Return the part of a log to which a position belongs."""
    index = bisect_right(intervals, events, key=attrgetter("begin"))
    last = _first_entry_after(intervals, index)
    for interval in reversed(intervals[:index]):
        if interval.first is None:
            continue
        if interval.first.events <= events:
            return _last_entry(interval, last, lambda entry: entry.events <= events)
        last = interval.first.events - 1
    return Span(0, last)


def next_update(intervals: Sequence[Interval], span: Span) -> int | None:
    """Return the lowest update beyond that of a part of a log which the rest has; `None` if it has none."""
    after = -1 if span.update is None else span.update
    lowest: int | None = None
    for interval in intervals:
        if interval.end <= span.last or interval.first is None or interval.lowest is None:
            continue
        if lowest is None or interval.lowest < lowest:
            entries = (entry for entry in interval.entries() if entry.events > span.last)
            found = min((entry.update for entry in entries if entry.update > after), default=None)
            lowest = found if lowest is None or (found is not None and found < lowest) else lowest
    return lowest


def interval_of_time(intervals: Sequence[Interval], time_ns: int) -> Interval | None:
    """Return the last interval that has an event at or before a time; `None` if there is none."""
    for interval in reversed(intervals):
        if interval.earliest_ns is not None and interval.earliest_ns <= time_ns:
            return interval
    return None


def _first_entry_after(intervals: Sequence[Interval], index: int) -> int:
    """Return the last position before the first entry of the intervals from `index` on."""
    for interval in intervals[index:]:
        if interval.first is not None:
            return interval.first.events - 1
    return intervals[-1].end if intervals else 0


def _last_entry(interval: Interval, last: int, chosen: Callable[[Entry], bool]) -> Span:
    for entry in reversed(interval.entries()):
        if chosen(entry):
            return Span(entry.events, last, entry.update, entry.time_ns)
        last = entry.events - 1
    raise ValueError("an interval without the entry that it names")


def _pack(entries: Sequence[Entry]) -> bytes:
    """Compress entries column by column, each number as its difference to the one before."""
    columns = ([entry.events for entry in entries], [entry.update for entry in entries])
    data = b"".join(_differences(column) for column in (*columns, [entry.time_ns for entry in entries]))
    return zstandard.compress(data, 1)


def _differences(column: Sequence[int]) -> bytes:
    return array("q", [column[0], *(after - before for before, after in pairwise(column))]).tobytes()


def _unpack(packed: bytes) -> list[Entry]:
    data = zstandard.decompress(packed, _MOST_BYTES)
    size = len(data) // 3
    columns = [accumulate(array("q", data[at : at + size])) for at in (0, size, 2 * size)]
    return [Entry(*row) for row in zip(*columns, strict=True)]
