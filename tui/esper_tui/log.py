"""LOG: the trainers' own warnings and errors, newest last."""

from esper_schemas.events import LogRecorded
from esper_schemas.snapshot import EventEntry, SanctumSnapshot
from esper_tui.events import time_of_day
from esper_tui.rows import Row, Rows, Span, Tone, clean, crop

TITLE = "LOG"
NOTHING = "no warnings and no errors"
TONES = {"warning": Tone.WARNING, "error": Tone.CRITICAL, "critical": Tone.CRITICAL}
MARKS = {"warning": "!", "error": "✗", "critical": "✗"}


def log_entries(snapshot: SanctumSnapshot) -> tuple[EventEntry, ...]:
    """What the trainers logged, among the last events."""
    return tuple(entry for entry in snapshot.recent_events if entry.kind == LogRecorded.__name__)


def log_rows(snapshot: SanctumSnapshot, width: int, height: int) -> Rows:
    """The last lines that fit."""
    entries = log_entries(snapshot)[-height:] if height > 0 else ()
    if not entries:
        return ((Span(NOTHING, Tone.DIM),),)[:height]
    return tuple(log_row(entry, width) for entry in entries)


def log_row(entry: EventEntry, width: int) -> Row:
    """Time of day, mark and message; the level is the word before the first colon."""
    level, _, message = entry.text.partition(": ")
    tone, mark = TONES.get(level, Tone.PLAIN), MARKS.get(level, " ")
    text = crop(clean(message or entry.text), max(width - 12, 0))
    return (Span(time_of_day(entry.at_ns), Tone.DIM), Span(f"  {mark} ", tone), Span(text))
