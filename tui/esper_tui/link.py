"""LINK: how well events arrive. The one panel that is about now, whatever picture is looked at."""

from esper_tui.numbers import age, count, number
from esper_tui.rows import Row, Rows, Span, Tone, left, right, row_width
from esper_tui.status import SYMBOLS, judge_feed
from esper_tui.view import View

TITLE = "LINK"
LABEL_WIDTH, VALUE_WIDTH = 15, 9
NO_MARK = Span(" ")
MEANINGS = {
    "Age": "since anything was heard",
    "Lag": "from trainer to log",
    "Events": "in the log",
    "Gaps": "numbers that are missing",
    "Dropped": "neither on disk nor sent",
    "Rejected": "that could not be read",
    "Unknown": "of kinds of a newer version",
    "Left out": "for want of room",
    "Repeated": "sent again, counted once",
}


def link_rows(view: View, width: int, height: int) -> Rows:
    """Age and lag, then what was lost, refused or repeated; what should be zero is marked if it is not."""
    link, status = view.link.snapshot.link, judge_feed(view.link, view.now_ns)
    silent = "–" if status.silent_s is None else age(status.silent_s)
    symbol, tone, _ = SYMBOLS[status.state]
    rows = (
        _row("Age", silent, Tone.VALUE, Span(symbol, tone)),
        _row("Lag", _milliseconds(link.lag_ms), Tone.VALUE),
        _row("Events", count(link.events), Tone.VALUE),
        _loss("Gaps", link.gaps),
        _loss("Dropped", link.dropped),
        _loss("Rejected", link.rejected),
        _loss("Unknown", link.unknown),
        _loss("Left out", link.left_out),
        _row("Repeated", count(link.duplicates), Tone.VALUE if link.duplicates else Tone.DIM),
    )
    return tuple(_with_meaning(row, width) for row in rows[: max(height, 0)])


def _milliseconds(value: float | None) -> str:
    return number(value, 0, 5) if value is None else f"{number(value, 0, 5)} ms"


def _loss(label: str, lost: int) -> Row:
    if not lost:
        return _row(label, count(lost), Tone.DIM, Span("✓", Tone.DIM))
    return _row(label, count(lost), Tone.WARNING, Span("!", Tone.WARNING))


def _row(label: str, text: str, tone: Tone, mark: Span = NO_MARK) -> Row:
    return (left(label, LABEL_WIDTH, Tone.LABEL), right(text, VALUE_WIDTH, tone), Span(" "), mark)


def _with_meaning(row: Row, width: int) -> Row:
    """The row, and what it counts where there is room to say so."""
    meaning = Span(f"  {MEANINGS[row[0].text.strip()]}", Tone.DIM)
    return (*row, meaning) if row_width((*row, meaning)) <= width else row
