"""A metric as a row, in the columns that a panel or a page chooses: the only place where one is drawn."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from esper_schemas.judgement import Health
from esper_tui.charts.sparkline import sparkline
from esper_tui.metrics.bounds_text import critical_words, ok_words
from esper_tui.metrics.metric_value import MOST_DECIMALS, MetricValue
from esper_tui.text.spans import Row, Span, Tone, left, right
from esper_tui.text.theme import ARROWS, MARKS, alarm_mark


class Column(NamedTuple):
    """A part of a row, and how many terminal cells it takes."""

    part: Callable[[MetricValue, int], Row]
    width: int


def metric_row(value: MetricValue, columns: Sequence[Column]) -> Row:
    """The columns beside each other, each exactly as wide as it says."""
    row: list[Span] = []
    for part, width in columns:
        row += part(value, width)
    return tuple(row)


def compact_value(
    value: MetricValue, digits: int, ok: Tone = Tone.VALUE, most_decimals: int = MOST_DECIMALS
) -> Row:
    """For tables: the value alone, and its mark only if a finding is about it."""
    return (Span(value.text(digits, most_decimals), value.tone(ok)), alarm_mark(value.alarm))


def _label(value: MetricValue, width: int) -> Row:
    return (left(value.metric.label, width, Tone.LABEL),)


def _value(value: MetricValue, width: int) -> Row:
    """At the right, behind at least one blank."""
    return (right(value.text(max(width - 1, 1)), width, value.tone()),)


def _arrow(value: MetricValue, width: int) -> Row:
    """The direction of the trend; colour and mark show whether the value is healthy."""
    return (Span(f" {ARROWS[value.trend]} ".ljust(width)[:width]),)


def _mark(value: MetricValue, width: int) -> Row:
    """That of a finding, or else ✓ within bounds; a metric without bounds is never marked as ok."""
    is_ok = value.alarm is Health.OK and value.health is Health.OK and bool(ok_words(value.metric))
    return (Span(MARKS[Health.OK], Tone.DIM) if is_ok else alarm_mark(value.alarm),)


def _history(value: MetricValue, width: int) -> Row:
    if not value.history:
        return (Span(" " * width),)
    return sparkline(value.history, width, Tone.VALUE)


def _whole(text: str, width: int) -> Row:
    """A text that is left out rather than cut if it is too long."""
    return (Span((text if len(text) <= width else "").ljust(width), Tone.DIM),)


class Part:
    """The parts of a row; each draws itself for a value and a width."""

    LABEL = staticmethod(_label)
    VALUE = staticmethod(_value)
    ARROW = staticmethod(_arrow)
    MARK = staticmethod(_mark)
    HISTORY = staticmethod(_history)
    OK = staticmethod(lambda value, width: _whole(ok_words(value.metric), width))
    CRITICAL = staticmethod(lambda value, width: _whole(critical_words(value.metric), width))
    UNIT = staticmethod(lambda value, width: _whole(value.metric.unit, width))
    ID = staticmethod(lambda value, width: _whole(value.metric.id, width))
    BLANK = staticmethod(lambda value, width: (Span(" " * width),))


GAP = Column(Part.BLANK, 2)
