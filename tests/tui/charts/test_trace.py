"""Tests of esper_tui.charts.trace."""

import math

from esper_tui.charts.curve import curve_of_values
from esper_tui.charts.place_axis import PlaceAxis
from esper_tui.charts.trace import trace


def traced(values, dots=None):
    """The trace of values at places 0, 1, 2..., each in a column of its own by default."""
    last = len(values) - 1
    return trace(curve_of_values("a", values, last), PlaceAxis(0, last), dots or len(values))


def columns(found):
    """The columns of each piece."""
    return [[dot.x for dot in piece] for piece in found.pieces]


def test_values_of_one_column_are_merged():
    """The range is that of all, the mean that of the means."""
    (piece,) = traced((1.0, 3.0, 2.0, 8.0), dots=2).pieces
    assert [(dot.low, dot.mean, dot.high) for dot in piece] == [(1.0, 2.0, 3.0), (2.0, 5.0, 8.0)]


def test_what_is_not_finite_interrupts_a_curve():
    """Infinity keeps its sign; its column is known, so that it can be marked."""
    found = traced((1.0, 2.0, math.nan, 3.0, -math.inf, math.inf, 4.0))
    assert columns(found) == [[0, 1], [3], [6]]
    assert math.isnan(found.faults.pop(2))
    assert found.faults == {4: -math.inf, 5: math.inf}


def test_values_at_regular_distances_are_connected():
    """A metric that is measured in every third update has no gaps."""
    assert columns(traced((1.0, None, None) * 4)) == [[0, 3, 6, 9]]


def test_an_unusually_long_gap_stays_open():
    """Nothing was measured there, which a line would hide."""
    assert columns(traced((1.0,) * 3 + (None,) * 9 + (1.0,) * 2)) == [[0, 1, 2], [12, 13]]


def test_a_column_with_both_kinds_of_values_is_drawn_and_marked():
    """A value that is not finite does not hide the finite ones beside it."""
    found = traced((1.0, 2.0, math.nan, 3.0), dots=2)
    assert columns(found) == [[0, 1]]
    assert list(found.faults) == [1]


def test_values_beyond_the_axis_are_left_out():
    """An answer may have more than was asked for."""
    found = trace(curve_of_values("a", (1.0, 2.0, 3.0, math.nan), 3.0), PlaceAxis(1, 2), 2)
    assert columns(found) == [[0, 1]]
    assert not found.faults
