"""A metric as a row, in the columns that a panel or a page chooses: the only place where one is drawn."""

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import NamedTuple

from esper_schemas.judgement import Health
from esper_tui.charts.sparkline import sparkline
from esper_tui.metrics.bounds_text import critical_words, ok_words
from esper_tui.metrics.metric_value import MetricValue
from esper_tui.text.spans import Row, Span, Tone, fit, left, right
from esper_tui.text.theme import ARROWS, alarm, mark, tone


class Part(StrEnum):
    """What a column shows of a metric."""

    LABEL = "label"
    VALUE = "value"
    ARROW = "arrow"
    MARK = "mark"
    HISTORY = "history"
    OK = "ok"
    CRITICAL = "critical"
    UNIT = "unit"
    ID = "id"
    GAP = "gap"


class Column(NamedTuple):
    """A part of a row, and how many terminal cells it takes."""

    part: Part
    width: int


GAP = Column(Part.GAP, 2)


def metric_row(value: MetricValue, columns: Sequence[Column]) -> Row:
    """The columns beside each other, each exactly as wide as it says."""
    return tuple(span for part, width in columns for span in _PARTS[part](value, width))


def compact_value(value: MetricValue, digits: int, ok: Tone = Tone.VALUE, most_decimals: int = 9) -> Row:
    """For tables: the value alone, and its mark only where it is an alarm."""
    return (Span(value.text(digits, most_decimals), tone(value.health, ok)), alarm(value.health))


def _label(value: MetricValue, width: int) -> Row:
    return (left(value.metric.label, width, Tone.LABEL),)


def _value(value: MetricValue, width: int) -> Row:
    """At the right, behind at least one blank."""
    return (right(value.text(max(width - 1, 1)), width, tone(value.health, Tone.VALUE)),)


def _arrow(value: MetricValue, width: int) -> Row:
    """The direction alone: whether it is good is for the mark to say."""
    return (Span(f" {ARROWS[value.trend]} ".ljust(width)[:width]),)


def _mark(value: MetricValue, width: int) -> Row:
    """A metric without bounds is never marked as ok."""
    judged = bool(ok_words(value.metric)) or value.health is not Health.OK
    return (mark(value.health) if judged else Span(" "),)


def _history(value: MetricValue, width: int) -> Row:
    return fit(sparkline(value.history, width, Tone.VALUE) if value.history else (), width)


def _text(of: Callable[[MetricValue], str]) -> Callable[[MetricValue, int], Row]:
    """A text that is left out rather than cut where it is too long."""

    def drawn(value: MetricValue, width: int) -> Row:
        text = of(value)
        return (left(text if len(text) <= width else "", max(width, 0), Tone.DIM),)

    return drawn


_PARTS: dict[Part, Callable[[MetricValue, int], Row]] = {
    Part.LABEL: _label,
    Part.VALUE: _value,
    Part.ARROW: _arrow,
    Part.MARK: _mark,
    Part.HISTORY: _history,
    Part.OK: _text(lambda value: ok_words(value.metric)),
    Part.CRITICAL: _text(lambda value: critical_words(value.metric)),
    Part.UNIT: _text(lambda value: value.metric.unit),
    Part.ID: _text(lambda value: value.metric.id),
    Part.GAP: lambda value, width: (Span(" " * width),),
}
