"""Tests of esper_tui.metrics.metric_help."""

import pytest

from esper_schemas import QUANTITIES
from esper_tui.metrics.metric_help import advice_for


@pytest.mark.parametrize("name", QUANTITIES)
def test_every_metric_says_what_to_do(name):
    """What it is and what it asks are never empty; advice is the catalogue's or that of the rules."""
    metric = QUANTITIES[name].metric

    assert metric.meaning
    assert metric.question
    assert advice_for(name)
