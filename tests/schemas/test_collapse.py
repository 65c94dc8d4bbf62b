"""Slope, correlation and collapse risk follow from short histories, with the arithmetic written out."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esper_schemas.collapse import (
    HYSTERESIS,
    collapse_risk_score,
    entropy_clip_correlation,
    entropy_velocity,
)

FALLING = [0.9, 0.8, 0.7, 0.6, 0.5]  # a slope of -0.1 exactly


@pytest.mark.parametrize(
    ("entropies", "slope"),
    [
        ([0.9, 0.8, 0.7, 0.6], None),  # four values; five are needed
        (FALLING, -0.1),
        # x - 2 = -2 -1 0 1 2, squares 10; -2*0.5 - 0.4 + 0.6 + 2*0.5 = 0.2; 0.2 / 10
        ([0.5, 0.4, 0.5, 0.6, 0.5], 0.02),
        ([0.5] * 10, 0.0),
        # only the last ten count: the 9.0 before them does not
        ([9.0, *(0.9 - 0.05 * n for n in range(10))], -0.05),
        # NaN, None and infinity are left out and keep their places: x = 0 2 4 5 7 on the line 1 - 0.1 x
        ([1.0, math.nan, 0.8, None, 0.6, 0.5, math.inf, 0.3], -0.1),
        ([math.nan] * 6 + FALLING[:4], None),
        ([1e308, -1e308, 1e308, -1e308, 1e308], None),  # an overflow is not a number
    ],
)
def test_tele_121_velocity_is_the_least_squares_slope(entropies, slope):
    """Sum of (x - mean x) y over sum of (x - mean x)²."""
    assert entropy_velocity(entropies) == (None if slope is None else pytest.approx(slope, abs=1e-12))


@pytest.mark.parametrize(
    ("entropies", "clips", "correlation"),
    [
        (FALLING, [0.1, 0.2, 0.3, 0.4, 0.5], -1.0),
        (FALLING, [0.5, 0.4, 0.3, 0.2, 0.1], 1.0),
        # offsets (0.2 0.1 0 -0.1 -0.2) and (-0.1 0.1 0 0.1 -0.1): products -0.02 0.01 0 -0.01 0.02, sum 0
        (FALLING, [0.1, 0.3, 0.2, 0.3, 0.1], 0.0),
        # offsets (0.2 0.1 0 -0.1 -0.2) and (-0.2 -0.1 0 0.2 0.1): sum -0.04 -0.01 - 0.02 - 0.02 = -0.09;
        # squares 0.1 and 0.1; -0.09 / 0.1
        (FALLING, [0.1, 0.2, 0.3, 0.5, 0.4], -0.9),
        (FALLING, [0.2] * 5, None),  # a constant correlates with nothing
        (FALLING[:4], [0.1, 0.2, 0.3, 0.4], None),
        # a pair with a missing value is left out; the other five are on a line
        ([*FALLING, math.nan, 0.4], [0.1, 0.2, 0.3, 0.4, 0.5, 0.9, None], -1.0),
    ],
)
def test_tele_123_correlation_is_pearsons(entropies, clips, correlation):
    """Sum of products of offsets over the root of the product of sums of squares."""
    expected = None if correlation is None else pytest.approx(correlation, abs=1e-12)

    assert entropy_clip_correlation(entropies, clips) == expected


@pytest.mark.parametrize(
    ("entropies", "risk"),
    [
        ([0.5] * 4, None),
        # not falling: only the nearness counts, 0.3 * (1 - (0.55 - 0.1) / (1 - 0.1)) = 0.3 * 0.5
        ([0.55] * 5, 0.15),
        ([1.0] * 5, 0.0),
        ([0.2, 0.3, 0.4, 0.5, 0.55], 0.15),  # rising counts like constant
        # at the critical bound: collapsed
        ([0.1] * 5, 1.0),
        ([0.9, 0.7, 0.5, 0.3, 0.05], 1.0),
        # slope -0.1, at 0.5: 0.4 / 0.1 = 4 updates left, so 0.9 in time; nearness 0.3 * (1 - 0.4 / 0.9) =
        # 0.1667; above the warning bound 0.7 * 0.9 + 0.3 * 0.1667 = 0.68
        (FALLING, 0.68),
        # slope -0.01, at 0.25: 0.15 / 0.01 = 15 updates left, so 0.7; nearness 0.3 * (1 - 0.15 / 0.9) = 0.25;
        # below the warning bound 0.5 * 0.7 + 0.5 * 0.25 = 0.475
        ([0.29, 0.28, 0.27, 0.26, 0.25], 0.475),
        # slope -0.01, at 0.46: 36 left, 0.5; nearness 0.3 * (1 - 0.4) = 0.18; 0.35 + 0.054
        ([0.50, 0.49, 0.48, 0.47, 0.46], 0.404),
        # slope -0.01, at 0.82: 72 left, 0.25; nearness 0.3 * (1 - 0.8) = 0.06; 0.175 + 0.018
        ([0.86, 0.85, 0.84, 0.83, 0.82], 0.193),
        # slope -0.001, at 0.55: 450 left, 0.1; nearness 0.15; 0.07 + 0.045
        ([0.554, 0.553, 0.552, 0.551, 0.550], 0.115),
        # the newest value is NaN: the one before it is the current one
        ([0.55] * 5 + [math.nan], 0.15),
        ([math.nan] * 10, None),
    ],
)
def test_tele_122_risk_joins_nearness_and_time_left(entropies, risk):
    """Entropies are shares of the maximum: critical at 0.1, warning at 0.3."""
    assert collapse_risk_score(entropies) == (None if risk is None else pytest.approx(risk, abs=1e-9))


def test_a_risk_that_hardly_changed_stays_the_same():
    """From 0.15 a change of 0.05 is ignored, and one of 0.09 is not; a collapse always counts."""
    at_010, at_006 = [0.7] * 5, [0.82] * 5  # 0.3 * (1 - 0.6 / 0.9) and 0.3 * (1 - 0.72 / 0.9)

    assert collapse_risk_score(at_010, 0.15) == 0.15
    assert collapse_risk_score(at_006, 0.15) == pytest.approx(0.06)
    assert collapse_risk_score([0.1] * 5, 0.95) == 1.0


@given(st.lists(st.none() | st.floats(), max_size=12), st.none() | st.floats(0, 1))
def test_risk_and_slope_are_never_nan(entropies, previous):
    """For any history they are None or finite, and the risk is in its range."""
    velocity = entropy_velocity(entropies)
    risk = collapse_risk_score(entropies, previous)

    assert velocity is None or math.isfinite(velocity)
    assert risk is None or 0.0 <= risk <= 1.0
    assert risk is None or previous is None or risk in (previous, 1.0) or abs(risk - previous) >= HYSTERESIS


@given(st.lists(st.tuples(st.none() | st.floats(), st.none() | st.floats()), max_size=12))
def test_correlation_is_never_nan(pairs):
    """For any histories it is None or between -1 and 1."""
    correlation = entropy_clip_correlation([x for x, _ in pairs], [y for _, y in pairs])

    assert correlation is None or -1.0 <= correlation <= 1.0
