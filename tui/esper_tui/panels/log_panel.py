"""LOG: the trainers' own warnings and errors, newest last."""

from esper_schemas.snapshot import LogEntry, SanctumSnapshot
from esper_tui.text.numbers import counted, time_of_day
from esper_tui.text.spans import Row, Rows, Span, Tone, clean, crop
from esper_tui.view.rank_labels import prefixed, rank_labels

TITLE = "LOG"
NO_ENTRIES = "no warnings or errors"
LEVELS = {
    "warning": ("W", Tone.WARNING),
    "error": ("E", Tone.BEYOND),
    "critical": ("C", Tone.BEYOND),
}
"""The levels of the trainers' logs; their entries are not findings, so that they have no mark."""


def log_rows(snapshot: SanctumSnapshot, width: int, height: int) -> Rows:
    """The last entries that fit."""
    entries = snapshot.log[-height:] if height > 0 else ()
    if not entries:
        return ((Span(NO_ENTRIES, Tone.DIM),),)[:height]
    labels = rank_labels(snapshot)
    return tuple(_row(entry, prefixed(labels, entry.producer, entry.message), width) for entry in entries)


def log_note(snapshot: SanctumSnapshot) -> Row:
    """For the border: the number of entries in the whole run, including those that are no longer listed."""
    found = [(level, snapshot.log_counts.get(level, 0)) for level in LEVELS]
    worst = next((level for level, number in reversed(found) if number), None)
    if worst is None:
        return ()
    words = ", ".join(counted(number, level) for level, number in reversed(found) if number)
    return (Span(words, LEVELS[worst][1]),)


def _row(entry: LogEntry, message: str, width: int) -> Row:
    letter, tone = LEVELS.get(entry.level, (" ", Tone.PLAIN))
    text = crop(clean(message), max(width - 12, 0))
    return (Span(time_of_day(entry.at_ns), Tone.DIM), Span(f"  {letter} ", tone), Span(text))
