"""LINK: counters of the way from the trainers to the log. It always shows the present, even while paused."""

from dataclasses import dataclass

from esper_tui.text.explanation import Explanation
from esper_tui.text.numbers import NOT_MEASURED, age, count, number
from esper_tui.text.spans import Row, Rows, Span, Tone, left, right, row_width
from esper_tui.view.connection_status import SYMBOLS, judge_feed
from esper_tui.view.view import View

TITLE = "LINK"
LABEL_WIDTH, VALUE_WIDTH = 15, 9
NO_MARK = Span(" ")
RECORDED = "recorded"


@dataclass(frozen=True, slots=True)
class Count:
    """A field of `LinkHealth` and its row; a `harmless` count may be other than zero."""

    field: str
    label: str
    meaning: str
    explanation: Explanation
    harmless: bool = False


COUNTS: tuple[Count, ...] = (
    Count(
        "gaps",
        "Gaps",
        "missing sequence numbers",
        Explanation(
            "Sequence numbers that were skipped: events that a trainer emitted and the log does not have.",
            "0",
            "`esper log verify RUN` lists them; the spool of a dead trainer is read automatically.",
        ),
    ),
    Count(
        "dropped",
        "Dropped",
        "neither stored nor sent",
        Explanation(
            "Events that a trainer could keep neither on disk nor in memory.",
            "0",
            "Free space on the trainer's disk, or measure less: `--telemetry minimal`.",
        ),
    ),
    Count(
        "rejected",
        "Rejected",
        "not valid events",
        Explanation(
            "Messages that are not valid events. They are kept in the log, but have no effect.",
            "0",
            "`esper log cat RUN` shows them; the versions of trainer and aggregator may be incompatible.",
        ),
    ),
    Count(
        "refused",
        "Refused",
        "connections",
        Explanation(
            "Connections that were refused, for any run: because of their key, without a key, or because of "
            "another protocol version.",
            "0",
            "`esper keys list` shows who may connect; the aggregator's log names the keys that it refused.",
        ),
    ),
    Count(
        "unknown",
        "Unknown",
        "of a newer version",
        Explanation(
            "Events of kinds that this version does not know. They are kept in the log.",
            "0",
            "Update esper-lite on the host of the aggregator.",
        ),
    ),
    Count(
        "left_out",
        "Left out",
        "beyond the capacity",
        Explanation(
            "Producers and names beyond the capacity of the state. The log has them all.",
            "0",
            "Look for a program that restarts again and again, or that generates names.",
        ),
    ),
    Count(
        "duplicate_producers",
        "Duplicate names",
        "used by two trainers",
        Explanation(
            "Producer names under which two trainers run at the same time. The log keeps them apart, this "
            "screen does not.",
            "0",
            "Stop one of them, or restart it under another name: `esper ppo --name`.",
        ),
    ),
    Count(
        "duplicates",
        "Repeated",
        "resent, counted once",
        Explanation(
            "Events that arrived twice: after a reconnect a trainer resends what was not acknowledged.",
            "a few after each reconnect",
            "None is needed, unless the count keeps growing: then the connection breaks repeatedly.",
        ),
        harmless=True,
    ),
)
"""From top to bottom; every other count of `LinkHealth` gets its row by an entry here."""

_FIRST = {
    "Age": (
        "since the last message",
        Explanation(
            "The time since the last message of the aggregator or, through it, of the trainer; for a stalled "
            "trainer, the time since its last event.",
            "below 5s",
            "Check whether both are still running, in the terminals where they were started.",
        ),
    ),
    "Lag": (
        "from trainer to log",
        Explanation(
            "The time from the emission of the last event until it was in the log.",
            "below 100 ms",
            "If it stays high, the aggregator or the network is too slow. Nothing is lost by that.",
        ),
    ),
    "Events": ("in the log", Explanation("Events of this run in the log.", "growing while it trains")),
}


def link_rows(view: View, width: int, height: int) -> Rows:
    """Age, lag and number of events, then the counts; a count that should be zero is marked if it is not."""
    link, status = view.link.snapshot.link, judge_feed(view.link, view.now_ns)
    silent = NOT_MEASURED if status.silent_s is None else age(status.silent_s)
    symbol, tone, _ = SYMBOLS[status.state]
    is_recorded = not view.link.live
    rows = (
        _row("Age", silent, Tone.VALUE, Span(symbol, tone)),
        _row("Lag", _milliseconds(None if is_recorded else link.lag_ms), Tone.VALUE),
        _row("Events", count(link.events), Tone.VALUE),
        *(_count(entry, getattr(link, entry.field)) for entry in COUNTS),
    )
    first = [meaning for meaning, _ in _FIRST.values()]
    if is_recorded:
        first[:2] = RECORDED, RECORDED
    meanings = (*first, *(entry.meaning for entry in COUNTS))
    return tuple(
        _with_meaning(row, meaning, width)
        for row, meaning in list(zip(rows, meanings, strict=True))[: max(height, 0)]
    )


def link_explanations() -> tuple[Explanation, ...]:
    """The explanation of each row."""
    return (*(explanation for _, explanation in _FIRST.values()), *(entry.explanation for entry in COUNTS))


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
    """The row, followed by its meaning if there is room."""
    explained = (*row, Span(f"  {meaning}", Tone.DIM))
    return explained if row_width(explained) <= width else row
