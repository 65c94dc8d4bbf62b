"""Tests of esper_tui.charts.value_scale."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esper_tui.charts.value_scale import WIDEST_LABEL, scale_for, tick_label, value_ticks

FINITE = st.floats(allow_nan=False, allow_infinity=False)


def labels(low, high, most=5, logarithmic=False):
    """The labels of the ticks between two values."""
    return [label for _, label in value_ticks(scale_for(low, high, logarithmic), most)]


def test_ticks_are_round_and_have_as_many_decimals_as_they_need():
    """Steps are 1, 2 or 5 times a power of ten."""
    assert labels(0.0, 1.0) == ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]
    assert labels(0.0, 0.03) == ["0", "0.01", "0.02", "0.03"]
    assert labels(-130, 270) == ["-100", "0", "100", "200"]
    assert labels(1e-7, 3e-7) == ["1.0e-7", "1.5e-7", "2.0e-7", "2.5e-7", "3.0e-7"]


def test_a_logarithmic_scale_has_powers_of_ten():
    """With many of them some are left out; within one decade there are also 2 and 5."""
    assert labels(0.01, 100.0, logarithmic=True) == ["0.01", "0.1", "1", "10", "100"]
    assert labels(0.012, 0.07, logarithmic=True) == ["0.02", "0.05"]
    assert len(labels(1e-12, 1e12, logarithmic=True)) <= 6


def test_equal_ratios_have_equal_heights_on_a_logarithmic_scale():
    """Numbers that are not positive have none."""
    scale = scale_for(0.01, 100.0, logarithmic=True)
    assert scale.share(1.0) == pytest.approx(0.5)
    assert scale.value(0.5) == pytest.approx(1.0)
    assert scale.share(0.0) is None


def test_without_positive_values_the_scale_is_linear():
    """There is no logarithm of them."""
    assert not scale_for(-1.0, 10.0, logarithmic=True).logarithmic


@pytest.mark.parametrize("value", [0.0, 0.2, -3.0, 1e300, -1.6e308, 5e-324])
def test_a_constant_is_in_the_middle(value):
    """The scale extends to both sides of it."""
    scale = scale_for(value, value)
    assert scale.low < scale.high
    assert scale.share(value) == pytest.approx(0.5, abs=0.1)


@given(FINITE, FINITE, st.booleans(), st.integers(1, 20))
def test_every_range_has_a_scale_with_a_bounded_number_of_ticks(one, other, logarithmic, most):
    """Also ranges that overflow, and those of denormal numbers; labels have a bounded width."""
    scale = scale_for(min(one, other), max(one, other), logarithmic)
    assert scale.low < scale.high
    ticks = value_ticks(scale, most)
    assert len(ticks) <= 3 * most + 3
    assert all(len(label) <= WIDEST_LABEL for _, label in ticks)
    assert all(math.isfinite(scale.share(value) or 0.0) for value, _ in ticks)


@given(FINITE, st.floats(min_value=5e-324, max_value=1e308))
def test_every_label_fits(value, step):
    """A label has at most ten characters."""
    assert len(tick_label(value, step)) <= WIDEST_LABEL
