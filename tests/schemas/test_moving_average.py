"""The exponential moving average is unbiased from its first value on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esper_schemas.moving_average import MovingAverage


def average_of(values, momentum):
    """The average of some values, added in their order."""
    average = MovingAverage()
    for value in values:
        average.add(value, momentum)
    return average


def test_the_mean_of_two_values_by_hand():
    """0.99 / 1.99 of the older and 1 / 1.99 of the newer one."""
    assert average_of([2.0, 4.0], 0.99).mean(0.99) == pytest.approx((0.99 * 2.0 + 4.0) / 1.99)


def test_an_average_without_values_is_zero():
    """It does not divide by zero."""
    assert MovingAverage().mean(0.9) == 0.0


@given(st.floats(0.01, 0.999), st.floats(-1e6, 1e6), st.integers(1, 50))
def test_equal_values_are_their_own_mean(momentum, value, count):
    """The weights of any number of values sum to 1."""
    average = average_of([value] * count, momentum)

    assert average.count == count
    assert average.mean(momentum) == pytest.approx(value, rel=1e-6)
