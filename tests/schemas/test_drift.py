"""Drift compares a gradient norm to the average of the earlier ones."""

import math

import pytest

from esper_schemas.drift import WARM_UP, gradient_drift
from esper_schemas.moving_average import MovingAverage


def drifts(*norms):
    """The drift of each norm, in order."""
    average = MovingAverage()
    return [gradient_drift(norm, average) for norm in norms]


def test_the_first_norms_are_only_averaged():
    """The first comparison comes after ten norms."""
    assert drifts(*[1.0] * WARM_UP) == [None] * WARM_UP
    assert drifts(*[1.0] * (WARM_UP + 1))[-1] == pytest.approx(1.0)


@pytest.mark.parametrize(("norm", "times"), [(3.0, 3.0), (0.25, 4.0), (1000.0, 1000.0)])
def test_a_norm_may_be_too_large_or_too_small(norm, times):
    """Both are drift, which is at least 1."""
    assert drifts(*[1.0] * WARM_UP, norm)[-1] == pytest.approx(times, rel=1e-6)


def test_one_outlier_does_not_move_the_average_far():
    """It counts as four times the mean: (0.99 * W + 4) / (W + 1) with W the weights of ten ones."""
    older = sum(0.99 ** (age + 1) for age in range(WARM_UP))

    assert drifts(*[1.0] * WARM_UP, 1e6, 1.0)[-1] == pytest.approx((older + 4) / (older + 1))


@pytest.mark.parametrize("norm", [None, math.nan, math.inf, -math.inf, -1.0])
def test_a_value_that_is_not_a_norm_is_ignored(norm):
    """Its drift is None, and the average does not change."""
    assert drifts(*[2.0] * WARM_UP, norm, 2.0)[-2:] == [None, pytest.approx(1.0)]


@pytest.mark.parametrize("norms", [[1.7e308] * 12, [0.0] * 12, [0.0] * 11 + [1e308], [1e308] * 11 + [0.0]])
def test_no_norm_is_too_large_or_too_small_to_compare(norms):
    """The drift is a finite number."""
    assert math.isfinite(drifts(*norms)[-1])
