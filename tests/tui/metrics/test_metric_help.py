"""Tests of esper_tui.metrics.metric_help."""

import math

import pytest

from esper_schemas import QUANTITIES
from esper_tui.metrics.metric_help import advice_for, history_rows


@pytest.mark.parametrize("name", QUANTITIES)
def test_every_metric_has_help(name):
    """Meaning, question and advice are never empty."""
    metric = QUANTITIES[name].metric

    assert metric.meaning
    assert metric.question
    assert advice_for(QUANTITIES[name])


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ((0.3, 0.1, 0.2), "0.300 → 0.200, from 0.100 to 0.300"),
        ((0.0, 0.0, 0.0), "0.000 → 0.000, constant at 0.000"),
        ((0.5, None, 0.5), "0.500 → 0.500, constant at 0.500"),
        ((None, math.nan), "– → NaN, no finite value"),
    ],
)
def test_a_history_has_its_ends_and_its_range(text, values, said):
    """A chart has no axis, and a constant one is a flat line at any value."""
    assert text(history_rows(values, 3, 80))[-1].strip() == said
