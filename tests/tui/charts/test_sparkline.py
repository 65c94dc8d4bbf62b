"""Tests of esper_tui.charts.sparkline."""

import math

from hypothesis import given
from hypothesis import strategies as st

from esper_tui.charts.sparkline import sparkline
from esper_tui.text.spans import Tone, plain, row_width


def test_the_smallest_value_is_the_lowest_block_and_the_largest_the_highest():
    """The scale spans the values that are shown."""
    assert plain(sparkline((0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0), 8)) == "▁▂▃▄▅▆▇█"


def test_only_the_last_values_are_shown():
    """Older values of a long history are left out and do not affect the scale."""
    assert plain(sparkline((100.0, 1.0, 2.0), 2)) == "▁█"


def test_a_short_history_is_padded_on_the_left():
    """The newest value is always at the right."""
    assert plain(sparkline((1.0, 2.0), 5)) == "───▁█"


def test_a_constant_history_is_a_line_at_the_bottom():
    """Equal values are drawn as the lowest block."""
    assert plain(sparkline((3.0, 3.0, 3.0), 3)) == "▁▁▁"


def test_values_that_are_not_finite_are_red_and_do_not_move_the_scale():
    """NaN and infinities are crosses, missing values are dots; the other values set the scale."""
    row = sparkline((1.0, math.nan, 2.0, math.inf, None, 1.0), 6)

    assert plain(row) == "▁×█×·▁"
    assert [span.tone for span in row if "×" in span.text] == [Tone.BEYOND] * 2


def test_a_spread_beyond_the_largest_float_is_drawn():
    """The difference of two finite numbers may overflow to infinity."""
    assert plain(sparkline((-1.7e308, 0.0, 1.7e308), 3)) == "▁▅█"


@given(st.lists(st.none() | st.floats(), max_size=15), st.integers(0, 20))
def test_every_history_fills_its_width_exactly(history, width):
    """A sparkline fills its width for any values."""
    assert row_width(sparkline(history, width)) == width
