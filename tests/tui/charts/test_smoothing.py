"""Tests of esper_tui.charts.smoothing."""

import math

import pytest

from esper_tui.charts.curve import Curve, curve_of_values
from esper_tui.charts.smoothing import relative, smoothed


def test_without_a_decay_a_curve_stays_as_it_is():
    """Nothing is computed."""
    curve = curve_of_values("a", (1.0, 2.0), 1.0)
    assert smoothed(curve, 0.0) is curve


def test_the_average_has_no_bias_towards_zero():
    """A constant is its own average, from the first value on."""
    assert list(smoothed(curve_of_values("a", (5.0, 5.0, 5.0), 2.0), 0.99).mean) == pytest.approx([5.0] * 3)


def test_a_value_weighs_as_much_as_the_decay_leaves_it():
    """Weights of two values with a decay of 0.5 are 1 to 2."""
    assert smoothed(curve_of_values("a", (0.0, 3.0), 1.0), 0.5).mean[1] == pytest.approx(2.0)


def test_a_bucket_counts_as_its_values():
    """One bucket of four equal values has the effect of these four."""
    single = curve_of_values("a", (1.0, 2.0, 2.0, 2.0, 2.0), 4.0)
    bucket = Curve("a", [0.0, 1.0], [1.0, 2.0], [1.0, 2.0], [1.0, 2.0], [1.0, 2.0], [1, 4], [0, 0])
    assert smoothed(bucket, 0.9).mean[-1] == pytest.approx(smoothed(single, 0.9).mean[-1])


def test_values_that_are_not_finite_are_left_out():
    """They have no average, and the next one is as if they had not been."""
    means = smoothed(curve_of_values("a", (1.0, math.nan, None, 3.0), 3.0), 0.5).mean
    assert math.isnan(means[1])
    assert math.isnan(means[2])
    assert means[3] == pytest.approx((1.0 + 2 * 3.0) / 3)


def test_a_relative_curve_goes_from_zero_to_one():
    """Also between the largest numbers there are; a constant is in the middle."""
    assert list(relative(curve_of_values("a", (-1.7e308, 1.7e308), 1.0)).mean) == [0.0, 1.0]
    assert list(relative(curve_of_values("a", (2.0, 2.0), 1.0)).mean) == [0.5, 0.5]
