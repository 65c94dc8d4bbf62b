"""Tests of esper_tui.panels.gradient_flow."""

import math

from esper_tui.panels.gradient_flow import gradient_flow_row
from esper_tui.text.spans import Tone, plain


def test_the_flow_has_its_metrics_in_their_order(make_snapshot):
    """Metrics that do not fit are left out whole."""
    whole = "Grad CV 0.31    Dead layers 0    Exploding 0    NaN grads 0    Inf grads 0"

    assert plain(gradient_flow_row(make_snapshot(), 100)).rstrip() == whole
    assert plain(gradient_flow_row(make_snapshot(), 40)).rstrip() == "Grad CV 0.31    Dead layers 0"
    assert gradient_flow_row(make_snapshot(), 5) == ()


def test_a_metric_that_a_finding_is_about_is_marked(make_snapshot, make_state, with_finding, tone_of):
    """The mark follows the number; other values beyond their bands have their colour only."""
    state = make_state(nan_grad_count=7, gradient_cv=math.nan)
    row = gradient_flow_row(with_finding(make_snapshot(state), "nan_grad_count"), 100)

    assert plain(row).startswith("Grad CV NaN  ")
    assert tone_of(row, "NaN") is Tone.BEYOND
    assert "NaN grads 7✗" in plain(row)
    assert tone_of(row, "7") is Tone.CRITICAL
