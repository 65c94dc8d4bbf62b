"""The gradient-flow footer of ACTION HEADS: does the gradient reach every layer, and only in moderation?"""

from esper_schemas.judgement import judge_field
from esper_schemas.metrics.catalogue import QUANTITIES
from esper_schemas.state import TamiyoState
from esper_tui.text.numbers import number
from esper_tui.text.spans import Row, Span, Tone, flow
from esper_tui.text.theme import alarm, tone

FLOW_METRICS = ("gradient_cv", "dead_layers", "exploding_layers", "nan_grad_count", "inf_grad_count")


def flow_row(state: TamiyoState, width: int) -> Row:
    """As many of the metrics as fit, each with its judgement."""
    return flow((_item(state, name) for name in FLOW_METRICS), width, gap=3)


def _item(state: TamiyoState, name: str) -> Row:
    metric, health = QUANTITIES[name].metric, judge_field(state, name)
    value = number(getattr(state, name), min(metric.precision, 2), 7)
    return (Span(f"{metric.label} ", Tone.LABEL), Span(value, tone(health, Tone.VALUE)), alarm(health))
