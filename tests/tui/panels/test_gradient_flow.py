"""Tests of esper_tui.panels.gradient_flow."""

import math

from esper_tui.panels.gradient_flow import gradient_flow_row
from esper_tui.text.spans import Tone, plain


def test_the_flow_has_its_metrics_in_their_order(make_state):
    """Metrics that do not fit are left out whole."""
    whole = "Grad CV 0.31    Dead layers 0    Exploding 0    NaN grads 0    Inf grads 0"

    assert plain(gradient_flow_row(make_state(), 100)).rstrip() == whole
    assert plain(gradient_flow_row(make_state(), 40)).rstrip() == "Grad CV 0.31    Dead layers 0"
    assert gradient_flow_row(make_state(), 5) == ()


def test_a_metric_with_a_problem_is_marked(make_state, tone_of):
    """The mark follows the number, which has the tone of its health."""
    row = gradient_flow_row(make_state(nan_grad_count=7, gradient_cv=math.nan), 100)

    assert plain(row).startswith("Grad CV NaN✗ ")
    assert "NaN grads 7✗" in plain(row)
    assert tone_of(row, "7") is Tone.CRITICAL
