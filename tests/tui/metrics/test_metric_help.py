"""Tests of esper_tui.metrics.metric_help."""

import pytest

from esper_schemas import QUANTITIES
from esper_tui.metrics.metric_help import advice_for


@pytest.mark.parametrize("name", QUANTITIES)
def test_every_metric_has_help(name):
    """Meaning, question and advice are never empty."""
    metric = QUANTITIES[name].metric

    assert metric.meaning
    assert metric.question
    assert advice_for(QUANTITIES[name])
