"""The columns of the ACTION HEADS table: each function draws one number of one head (TELE-151, 170, 320)."""

import math
from dataclasses import dataclass

from esper_schemas.judgement import Health, head_condition
from esper_schemas.metrics.catalogue import head_field
from esper_schemas.policy_heads import head_quantity, head_spec, head_value
from esper_schemas.run_metrics import metric_field
from esper_schemas.snapshot import SanctumSnapshot
from esper_schemas.state import TamiyoState, Trend
from esper_tui.charts.bars import bar, deviation
from esper_tui.metrics.alarms import metric_alarm, worst
from esper_tui.metrics.bounds_text import head_metric, ok_words
from esper_tui.metrics.metric_row import compact_value
from esper_tui.metrics.metric_value import value_of
from esper_tui.text.numbers import number, significant
from esper_tui.text.spans import Row, Span, Tone
from esper_tui.text.theme import ALARM_TONES, ARROWS, CONDITIONS, alarm_mark


@dataclass(frozen=True, slots=True)
class Space:
    """The number of characters that a number may have, and whether there is room for coefficients."""

    digits: int
    coefficients: bool = False


def entropy(snapshot: SanctumSnapshot, head: str, space: Space) -> Row:
    """The entropy in nats, preceded by the head's coefficient if that is not 1 and there is an entropy."""
    known = head_value(snapshot.tamiyo, head, "entropy") is not None
    prefix = coefficient(snapshot.tamiyo, head) if space.coefficients and known else ()
    return (*prefix, *measured(snapshot, head, "entropy", space))


def coefficient(state: TamiyoState, head: str) -> Row:
    """The multiplier of the head's entropy bonus: `1.3×`, or nothing for 1."""
    multiplier = head_spec(state, head).entropy_coefficient
    return () if multiplier == 1.0 else (Span(f"{significant(multiplier, 5, 1)}×", Tone.DIM),)


def measured(snapshot: SanctumSnapshot, head: str, family: str, space: Space) -> Row:
    """A value in the given space, and its mark if a finding is about it."""
    value = value_of(snapshot, head_quantity(snapshot.tamiyo, head, family))
    return compact_value(value, space.digits, Tone.GOOD if ok_words(value.metric) else Tone.VALUE)


def ratio_max(snapshot: SanctumSnapshot, head: str, space: Space) -> Row:
    """The largest probability ratio of the head's relevant choices."""
    return measured(snapshot, head, "ratio_max", space)


def ratio_min(snapshot: SanctumSnapshot, head: str, space: Space) -> Row:
    """The smallest probability ratio, which the largest one does not show."""
    return measured(snapshot, head, "ratio_min", space)


def gradient(snapshot: SanctumSnapshot, head: str, space: Space) -> Row:
    """The gradient norm, preceded by its direction since the last update."""
    arrow = ARROWS[gradient_change(snapshot.tamiyo, head)]
    return (Span(arrow, Tone.LABEL), *measured(snapshot, head, "grad_norm", space))


def gradient_change(state: TamiyoState, head: str) -> Trend:
    """The direction since the last update, by the relative change that the catalogue calls a trend."""
    now, before = head_value(state, head, "grad_norm"), _gradient_before(state, head)
    if now is None or before is None or not (math.isfinite(now) and math.isfinite(before)):
        return Trend.UNKNOWN
    change = now - before
    if abs(change) <= head_metric("grad_norm").trend_threshold * abs(before):
        return Trend.STABLE
    return Trend.RISING if change > 0 else Trend.FALLING


def _gradient_before(state: TamiyoState, head: str) -> float | None:
    """The gradient norm of the update before."""
    measures = state.heads_previous.get(head)
    if measures is not None:
        return measures.grad_norm
    before: float | None = getattr(state, f"{head_field(head, 'grad_norm')}_prev", None)
    return before


def entropy_bar(snapshot: SanctumSnapshot, head: str, space: Space) -> Row:
    """The entropy as a share of that of a uniform choice; for a continuous head its standard deviation."""
    name = head_quantity(snapshot.tamiyo, head, "entropy")
    value, field = value_of(snapshot, name), metric_field(snapshot.tamiyo, name)
    if not field.metric.share_of_maximum:
        return _std(snapshot.tamiyo, head, space)
    share = None if value.value is None else value.value / field.maximum
    return (*bar(share, space.digits, value.tone(Tone.GOOD)), Span(" "))


def _std(state: TamiyoState, head: str, space: Space) -> Row:
    """The standard deviation, as `±0.800`; blank if it was not measured."""
    std = head_value(state, head, "std")
    text = "" if std is None else f"±{number(std, 3, space.digits - 1)}"
    return (Span(text.rjust(space.digits), Tone.LABEL), Span(" "))


def ratio_bar(snapshot: SanctumSnapshot, head: str, space: Space) -> Row:
    """The distance of the largest ratio from 1; full beyond the critical bound on its side."""
    value = value_of(snapshot, head_quantity(snapshot.tamiyo, head, "ratio_max"))
    bands = value.metric.bands
    share = deviation(value.value, (bands.critical_below, bands.critical_above))
    return (*bar(share, space.digits, value.tone(Tone.GOOD)), Span(" "))


def condition(snapshot: SanctumSnapshot, head: str, space: Space) -> Row:
    """The symbol of the head's condition, and the mark of the findings that it shows."""
    symbol, shade = CONDITIONS[head_condition(snapshot.tamiyo, head)]
    alarm = condition_alarm(snapshot, head)
    return (Span(symbol, ALARM_TONES.get(alarm, shade)), alarm_mark(alarm))


def condition_alarm(snapshot: SanctumSnapshot, head: str) -> Health:
    """The worst alarm of the two quantities from which the condition of a head follows."""
    names = (head_quantity(snapshot.tamiyo, head, family) for family in ("entropy", "grad_norm"))
    return worst(*(metric_alarm(snapshot, name) for name in names))


def latch(snapshot: SanctumSnapshot, head: str, space: Space) -> Row:
    """Whether a number of the head has ever been NaN or infinite in this run."""
    nan, infinite = snapshot.tamiyo.head_nan_latch.get(head), snapshot.tamiyo.head_inf_latch.get(head)
    if not (nan or infinite):
        return (Span("· ", Tone.DIM),)
    word = "both" if nan and infinite else "NaN" if nan else "Inf"
    return (Span(f"{word} ", Tone.BEYOND),)
