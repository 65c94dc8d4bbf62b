"""Tests of esper_tui.charts.block_chart."""

import math

from esper_tui.charts.block_chart import chart
from esper_tui.text.spans import plain


def test_a_chart_spans_its_values():
    """The smallest value is one eighth of a row high, the largest fills all rows."""
    assert [plain(row) for row in chart([0.0, 1.0, 0.5], 2)] == ["   ██ ▁▁ ", "▁▁ ██ ██ "]


def test_a_chart_marks_values_that_are_not_finite():
    """Missing values and NaN do not change the scale."""
    assert [plain(row) for row in chart([None, math.nan, 1.0, 2.0], 1)] == ["·· ×× ▁▁ ██ "]


def test_a_constant_history_is_a_flat_line():
    """It is at the bottom, whatever its value is: a wall would look like a quantity."""
    for value in (0.0, 5.0, -1e308):
        assert [plain(row).rstrip() for row in chart([value] * 3, 2)] == ["", "▁▁ ▁▁ ▁▁"]
