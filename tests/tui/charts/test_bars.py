"""Tests of esper_tui.charts.bars."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esper_tui.charts.bars import bar, deviation
from esper_tui.text.spans import Tone, plain, row_width

BOUNDS = (0.5, 1.5)


@pytest.mark.parametrize(
    ("share", "drawn"),
    [
        (0.0, "─────"),
        (0.5, "━━╸──"),
        (1.0, "━━━━━"),
        (7.0, "━━━━━"),
        (-1.0, "─────"),
        (None, "     "),
        (math.nan, "×××××"),
    ],
)
def test_bar_fills_its_track_to_the_half_cell(share, drawn):
    """Shares outside 0 to 1 are drawn as the nearest of the two."""
    assert plain(bar(share, 5, Tone.GOOD)) == drawn


@given(st.none() | st.floats(), st.integers(0, 30))
def test_bar_has_exactly_its_width(share, width):
    """Whatever the share is."""
    assert row_width(bar(share, width, Tone.GOOD)) == width


def test_halving_and_doubling_deviate_equally():
    """Ratios are compared by their logarithms; a ratio of 1 does not deviate."""
    assert deviation(0.5, BOUNDS) == deviation(2.0, BOUNDS) == 1.0
    assert deviation(1.0, BOUNDS) == 0.0
    assert deviation(2.0**0.5, BOUNDS) == pytest.approx(0.5)


@pytest.mark.parametrize("ratio", [0.0, -3.0, math.inf, 1e300])
def test_impossible_ratios_deviate_fully(ratio):
    """Zero, what is below it and infinity are as far from 1 as can be."""
    assert deviation(ratio, BOUNDS) == 1.0


def test_deviation_of_nothing_is_nothing():
    """Not measured stays so, NaN stays so, and without a bound there is no scale."""
    assert deviation(None, BOUNDS) is None
    assert math.isnan(deviation(math.nan, BOUNDS))
    assert deviation(2.0, (None, None)) is None
