"""New values are compared to baseline levels, on which outliers have little effect."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esper_schemas.payload import PPOUpdatePayload
from esper_schemas.rules.baseline_levels import FIRST_ROLLOUTS, BaselineLevels, lost_return, relative_values


def growths(*losses):
    """The growth of each value loss over its level."""
    levels = BaselineLevels()
    return [relative_values(levels, PPOUpdatePayload(value_loss=loss))[1] for loss in losses]


def losses_of(*returns):
    """How far the level of each return is below the best level, in tolerances."""
    levels = BaselineLevels()
    return [lost_return(levels, mean_return) for mean_return in returns]


def test_the_first_value_loss_is_its_own_level():
    """The second one is compared to it: 3 / 2."""
    assert growths(2.0, 3.0) == [None, 1.5]


def test_an_outlier_raises_the_level_as_if_it_had_doubled():
    """The level rises from 1 by a tenth of (2 - 1), so that the next value, 1.1, is at the level again."""
    assert growths(1.0, 1e9, 1.1) == [None, 1e9, pytest.approx(1.0)]


@pytest.mark.parametrize("loss", [0.0, -1.0, math.nan, math.inf])
def test_a_value_loss_that_is_not_positive_or_not_finite_has_no_growth(loss):
    """It does not change the level."""
    assert growths(2.0, loss, 2.0) == [None, None, 1.0]


@pytest.mark.parametrize(
    ("values", "returns", "spread"),
    [
        (0.5, 2.0, 0.25),
        (None, 1.0, None),
        (1.0, None, None),
        (1.0, 0.0, None),
        (math.nan, 1.0, None),
        (math.inf, 1.0, None),
        (1.0, math.inf, None),
    ],
)
def test_the_spread_of_values_is_relative_to_that_of_returns(values, returns, spread):
    """It is None where returns do not vary, or where one of the two is missing or not finite."""
    payload = PPOUpdatePayload(value_std=values, return_std=returns)

    assert relative_values(BaselineLevels(), payload)[0] == spread


def test_the_first_returns_are_not_compared():
    """They only show how much returns vary."""
    assert losses_of(*[5.0, 0.0] * 2)[:FIRST_ROLLOUTS] == [None] * FIRST_ROLLOUTS


def test_half_of_the_gain_is_tolerated():
    """The level rises from 0 to nearly 10 and falls back to nearly 0: twice the tolerated half."""
    learning = [float(n) for n in range(11)] + [10.0] * 40

    assert losses_of(*learning)[-1] == pytest.approx(0.0, abs=1e-3)
    assert losses_of(*learning, *[0.0] * 40)[-1] == pytest.approx(2.0, rel=1e-3)


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=30))
def test_every_comparison_is_finite_or_none(values):
    """This holds for any values."""
    results = [*growths(*values), *losses_of(*values)]

    assert all(result is None or math.isfinite(result) for result in results)
