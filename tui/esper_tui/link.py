"""LINK: how well events arrive. The one panel that is about now, whatever picture is looked at."""

from esper_tui.numbers import age, count, number
from esper_tui.rows import Row, Rows, Span, Tone, left, right
from esper_tui.status import SYMBOLS, judge_feed
from esper_tui.view import View

TITLE = "LINK"
LABEL_WIDTH, VALUE_WIDTH = 15, 9
MEANINGS = {
    "Age": "since anything was heard",
    "Lag": "from trainer to log",
    "Events": "in the log",
    "Gaps": "numbers that are missing",
    "Dropped": "neither on disk nor sent",
    "Rejected": "that could not be read",
    "Unknown": "of kinds of a newer version",
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
        _row("Repeated", count(link.duplicates), Tone.VALUE if link.duplicates else Tone.DIM),
    )
    return rows[: max(height, 0)]


def link_note(view: View) -> Row:
    """For the title: nothing; the state stands in the header."""
    return ()


def _milliseconds(value: float | None) -> str:
    return number(value, 0, 5) if value is None else f"{number(value, 0, 5)} ms"


def _loss(label: str, lost: int) -> Row:
    if not lost:
        return _row(label, count(lost), Tone.DIM, Span("✓", Tone.DIM))
    return _row(label, count(lost), Tone.WARNING, Span("!", Tone.WARNING))


def _row(label: str, text: str, tone: Tone, mark: Span = Span(" ")) -> Row:
    value = right(text, VALUE_WIDTH, tone)
    return (left(label, LABEL_WIDTH, Tone.LABEL), value, Span(" "), mark, Span(f" {MEANINGS[label]}", Tone.DIM))
