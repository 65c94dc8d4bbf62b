"""Tests of esper_tui.text.numbers."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esper_tui.text.numbers import age, counted, number, percent, significant


@pytest.mark.parametrize(
    ("value", "precision", "width", "written"),
    [
        (0.0412, 3, 8, "0.041"),
        (-0.0412, 3, 8, "-0.041"),
        (-0.0001, 3, 8, "0.000"),
        (9.9996, 3, 5, "10.00"),
        (485165195.4, 3, 5, "485M"),
        (123456.0, 3, 5, "123k"),
        (1e300, 3, 8, "1e300"),
        (-1e300, 3, 8, "-1e300"),
        (1e300, 3, 3, "###"),
        (math.nan, 3, 8, "NaN"),
        (math.inf, 3, 8, "Inf"),
        (-math.inf, 3, 8, "-Inf"),
        (None, 3, 8, "–"),
        (7, 0, 5, "7"),
        (2**64, 0, 7, "2e19"),
    ],
)
def test_number_keeps_its_decimals_while_they_fit(value, precision, width, written):
    """Decimals are dropped first, then thousands are abbreviated, then a power of ten is written."""
    assert number(value, precision, width) == written


@given(st.none() | st.floats() | st.integers(-(2**63), 2**64), st.integers(0, 6), st.integers(0, 12))
def test_number_never_exceeds_its_width(value, precision, width):
    """No value is written in more characters than it is given."""
    assert len(number(value, precision, width)) <= width


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (-5.0, "0s"),
        (7.9, "7s"),
        (65.0, "1m05s"),
        (7620.0, "2h07m"),
        (363600.0, "4d05h"),
        (math.inf, "11574d"),
    ],
)
def test_age_has_two_units(seconds, written):
    """An age is written in its two largest units; a clock that runs ahead gives no negative age."""
    assert age(seconds) == written


@given(st.floats())
def test_age_fits_in_six_characters(seconds):
    """A column of six characters holds every age."""
    assert len(age(seconds)) <= 6


def test_percent_is_a_share_with_one_decimal():
    """Shares are written as percentages; what was not measured is a dash."""
    assert [percent(0.0724), percent(None), percent(math.nan)] == ["7.2%", "–", "NaN%"]


def test_counted_knows_singular_and_plural():
    """The noun agrees with its number."""
    assert [counted(n, "update") for n in (0, 1, 2)] == ["0 updates", "1 update", "2 updates"]


@pytest.mark.parametrize(
    ("value", "written"),
    [(0.0, "0.000"), (3.44e-06, "3e-6"), (-2e-9, "-2e-9"), (0.001, "0.001"), (12.5, "12.500"), (None, "–")],
)
def test_a_tiny_value_does_not_look_like_zero(value, written):
    """It is written as a power of ten; other values are written as usual."""
    assert significant(value, 7) == written
    assert len(significant(value, 1)) == 1
