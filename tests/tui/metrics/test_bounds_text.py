"""Tests of esper_tui.metrics.bounds_text."""

import pytest

from esper_schemas.metrics.metric import Bands, Group, Metric
from esper_tui.metrics.bounds_text import critical_words, ok_words


def metric(**bounds):
    """A metric with the given bounds."""
    return Metric(label="m", group=Group.LOSSES, unit="1", meaning="m", question="m?", bands=Bands(**bounds))


@pytest.mark.parametrize(
    ("bounds", "fine", "critical"),
    [
        ({}, "", ""),
        ({"warning_above": 5.0, "critical_above": 10.0}, "ok ≤ 5", "critical > 10"),
        ({"warning_below": 0.3, "critical_below": 0.0}, "ok ≥ 0.3", "critical < 0"),
        ({"warning_above": 0.25, "critical_above": 0.3, "inclusive": True}, "ok < 0.25", "critical ≥ 0.3"),
        ({"warning_below": 0.5, "critical_below": 0.25, "inclusive": True}, "ok > 0.5", "critical ≤ 0.25"),
        (
            {"critical_below": 0.1, "warning_below": 0.2, "warning_above": 5.0, "critical_above": 10.0},
            "ok 0.2–5",
            "critical < 0.1 or > 10",
        ),
    ],
)
def test_bounds_are_written_as_they_are_checked(bounds, fine, critical):
    """An inclusive bound is not part of the ok range."""
    assert ok_words(metric(**bounds)) == fine
    assert critical_words(metric(**bounds)) == critical
