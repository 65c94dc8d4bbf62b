"""LINK: how well events arrive. The one panel that is about now, whatever picture is looked at."""

from dataclasses import dataclass

from esper_tui.text.explanation import Explanation
from esper_tui.text.numbers import age, count, number
from esper_tui.text.spans import Row, Rows, Span, Tone, left, right, row_width
from esper_tui.view.connection_status import SYMBOLS, judge_feed
from esper_tui.view.view import View

TITLE = "LINK"
LABEL_WIDTH, VALUE_WIDTH = 15, 9
NO_MARK = Span(" ")


@dataclass(frozen=True, slots=True)
class Count:
    """A field of `LinkHealth` and what its row says; `harmless` ones may be other than zero."""

    field: str
    label: str
    meaning: str
    explanation: Explanation
    harmless: bool = False


COUNTS: tuple[Count, ...] = (
    Count(
        "gaps",
        "Gaps",
        "numbers that are missing",
        Explanation(
            "Sequence numbers that were skipped: events that a trainer numbered and the log does not have.",
            "0",
            "`esper log verify RUN` names them; what a dead trainer left behind is read by itself.",
        ),
    ),
    Count(
        "dropped",
        "Dropped",
        "neither on disk nor sent",
        Explanation(
            "Events that a trainer could keep neither on disk nor in memory.",
            "0",
            "Make room on the trainer's disk, or tell less: `--telemetry minimal`.",
        ),
    ),
    Count(
        "rejected",
        "Rejected",
        "that could not be read",
        Explanation(
            "Bytes that are no event, or whose fields make no sense. They are kept, and not counted in.",
            "0",
            "`esper log cat RUN` shows them; trainer and aggregator may be of versions that do not fit.",
        ),
    ),
    Count(
        "refused",
        "Refused",
        "were not let in",
        Explanation(
            "Those who were not let in, of whatever run: by their key, for want of one, or another protocol.",
            "0",
            "`esper keys list` says who may; the aggregator's log names the keys that it refused.",
        ),
    ),
    Count(
        "unknown",
        "Unknown",
        "of a newer version",
        Explanation(
            "Events of kinds that this version does not know. They are kept.",
            "0",
            "Update esper-lite where the aggregator runs.",
        ),
    ),
    Count(
        "left_out",
        "Left out",
        "for want of room",
        Explanation(
            "Producers and names beyond what the state has room for. The log has them all.",
            "0",
            "Look for a program that starts again and again, or that makes names up.",
        ),
    ),
    Count(
        "rivals",
        "Duplicate names",
        "names that two trainers use",
        Explanation(
            "Producer names under which two trainers live at the same time. The log tells them apart, this "
            "screen mixes them up.",
            "0",
            "End one of them, or start it again under another name: `esper ppo --name`.",
        ),
    ),
    Count(
        "duplicates",
        "Repeated",
        "sent again, counted once",
        Explanation(
            "Events that came twice: after a reconnect a trainer sends again what was not confirmed.",
            "a few after each reconnect",
            "Nothing, unless it grows all the time: then the connection breaks again and again.",
        ),
        harmless=True,
    ),
)
"""From top to bottom; whatever else `LinkHealth` counts gets its row by an entry here."""

_ALWAYS = {
    "Age": (
        "since anything was heard",
        Explanation(
            "How long neither the aggregator nor, through it, the trainer has been heard; while it stands "
            "still, how long no event has come.",
            "below 5s",
            "Look whether both are still running, in the terminals where they were started.",
        ),
    ),
    "Lag": (
        "from trainer to log",
        Explanation(
            "From the moment at which the last event was emitted until it was in the log.",
            "below 100 ms",
            "If it stays high, the aggregator or the network cannot keep up. Nothing is lost by it.",
        ),
    ),
    "Events": ("in the log", Explanation("Events of this run in the log.", "growing while it trains", "")),
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
        *(_count(entry, getattr(link, entry.field)) for entry in COUNTS),
    )
    meanings = (*(meaning for meaning, _ in _ALWAYS.values()), *(entry.meaning for entry in COUNTS))
    return tuple(
        _with_meaning(row, meaning, width)
        for row, meaning in list(zip(rows, meanings, strict=True))[: max(height, 0)]
    )


def link_explanations() -> tuple[Explanation, ...]:
    """What there is to know about each row."""
    return (*(explanation for _, explanation in _ALWAYS.values()), *(entry.explanation for entry in COUNTS))


def _milliseconds(value: float | None) -> str:
    return number(value, 0, 5) if value is None else f"{number(value, 0, 5)} ms"


def _count(entry: Count, value: int) -> Row:
    if entry.harmless:
        return _row(entry.label, count(value), Tone.VALUE if value else Tone.DIM)
    if not value:
        return _row(entry.label, count(value), Tone.DIM, Span("✓", Tone.DIM))
    return _row(entry.label, count(value), Tone.WARNING, Span("!", Tone.WARNING))


def _row(label: str, text: str, tone: Tone, mark: Span = NO_MARK) -> Row:
    return (left(label, LABEL_WIDTH, Tone.LABEL), right(text, VALUE_WIDTH, tone), Span(" "), mark)


def _with_meaning(row: Row, meaning: str, width: int) -> Row:
    """The row, and what it counts where there is room to say so."""
    said = (*row, Span(f"  {meaning}", Tone.DIM))
    return said if row_width(said) <= width else row
