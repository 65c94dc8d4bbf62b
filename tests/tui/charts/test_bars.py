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
    """Shares below 0 are drawn as 0, those above 1 as 1, NaN as crosses and a missing share as blanks."""
    assert plain(bar(share, 5, Tone.GOOD)) == drawn


@given(st.none() | st.floats(), st.integers(0, 30))
def test_bar_has_exactly_its_width(share, width):
    """A bar fills its width for any share."""
    assert row_width(bar(share, width, Tone.GOOD)) == width


def test_a_ratio_beyond_either_bound_deviates_fully():
    """The bounds of TELE-151 are not equally far from 1: 1.5 is nearer than 0.5."""
    assert deviation(1.51, (0.5, 1.5)) == deviation(0.49, (0.5, 1.5)) == 1.0
    assert deviation(1.5**0.5, (0.5, 1.5)) == pytest.approx(0.5)
    assert deviation(0.5**0.5, (0.5, 1.5)) == pytest.approx(0.5)


def test_a_side_without_a_bound_is_measured_by_the_other_one():
    """A ratio has at least one bound that tells what is far."""
    assert deviation(0.5, (None, 2.0)) == deviation(2.0, (0.5, None)) == 1.0


def test_halving_and_doubling_deviate_equally():
    """Ratios are compared by their logarithms; a ratio of 1 does not deviate."""
    assert deviation(0.5, (0.5, 2.0)) == deviation(2.0, (0.5, 2.0)) == 1.0
    assert deviation(1.0, (0.5, 2.0)) == 0.0
    assert deviation(2.0**0.5, (0.5, 2.0)) == pytest.approx(0.5)


@pytest.mark.parametrize("ratio", [0.0, -3.0, math.inf, 1e300])
def test_impossible_ratios_deviate_fully(ratio):
    """Zero, negative, infinite and huge ratios have the largest deviation."""
    assert deviation(ratio, BOUNDS) == 1.0


def test_deviation_is_undefined_without_a_ratio_or_bounds():
    """A missing ratio and missing bounds give None; NaN stays NaN."""
    assert deviation(None, BOUNDS) is None
    assert math.isnan(deviation(math.nan, BOUNDS))
    assert deviation(2.0, (None, None)) is None
