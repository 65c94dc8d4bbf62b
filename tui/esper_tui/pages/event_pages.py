"""EVENTS and LOG, opened: every entry with its full text as details."""

from esper_schemas.history import AtTime
from esper_schemas.snapshot import EventEntry, LogEntry
from esper_tui.pages.page import ALL, Entry, wrapped
from esper_tui.panels.events_panel import events_rows
from esper_tui.panels.log_panel import log_rows
from esper_tui.text.numbers import time_of_day
from esper_tui.text.spans import Row, Tone
from esper_tui.view.view import View


def event_entries(view: View, width: int) -> list[Entry]:
    """The last events, newest last."""
    rows, entries = events_rows(view.snapshot, width, ALL), view.snapshot.recent_events
    listed = [_entry(row, entry, entry.kind, entry.text) for row, entry in zip(rows, entries, strict=False)]
    return listed or [*map(Entry, rows)]


def log_entries(view: View, width: int) -> list[Entry]:
    """The trainers' warnings and errors, newest last."""
    rows, entries = log_rows(view.snapshot, width, ALL), view.snapshot.log
    listed = [
        _entry(row, entry, entry.level, entry.message) for row, entry in zip(rows, entries, strict=False)
    ]
    return listed or [*map(Entry, rows)]


def _entry(row: Row, entry: EventEntry | LogEntry, kind: str, text: str) -> Entry:
    """A row of a list; its details are the time, the kind, the producer and the whole text."""
    head = f"{time_of_day(entry.at_ns)}  {kind} from {entry.producer}"
    return Entry(
        row,
        lambda width: (*wrapped(head, width, Tone.LABEL), *wrapped(text, width)),
        key=entry,
        moment=AtTime(entry.at_ns),
    )
