"""The gradient flow, a row of ACTION HEADS: does the gradient reach every layer without exploding?"""

from esper_schemas.snapshot import SanctumSnapshot
from esper_tui.metrics.metric_row import compact_value
from esper_tui.metrics.metric_value import value_of
from esper_tui.text.spans import Row, Span, Tone, fit_items

FLOW_METRICS = ("gradient_cv", "dead_layers", "exploding_layers", "nan_grad_count", "inf_grad_count")


def gradient_flow_row(snapshot: SanctumSnapshot, width: int) -> Row:
    """The first metrics that fit, each in the colour of its judgement."""
    return fit_items((_item(snapshot, name) for name in FLOW_METRICS), width, gap=3)


def _item(snapshot: SanctumSnapshot, name: str) -> Row:
    value = value_of(snapshot, name)
    return (Span(f"{value.metric.label} ", Tone.LABEL), *compact_value(value, 7, most_decimals=2))
