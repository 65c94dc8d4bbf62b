"""Levels of a run's returns: what was kept of a gain, and when noise may be all of a loss."""

import random

import pytest

from esper_schemas.rules.return_levels import MOST, ReturnLevels, return_quantities


def kept(returns):
    """What was kept after each return."""
    levels = ReturnLevels()
    return [return_quantities(levels, value)[1] for value in returns]


@pytest.mark.parametrize("seed", range(4))
def test_noise_is_no_loss_of_a_gain(seed):
    """The best of many noisy levels is better than any that lasts; a loss is seen in few of them."""
    chance = random.Random(seed)
    share = [0.1 * min(update, 30) / 30 for update in range(400)]
    returns = [sum(chance.random() < probability for _ in range(20)) / 20 for probability in share]

    lost = [value for value in kept(returns)[60:] if value is not None and value < MOST]
    assert len(lost) <= 10


def test_a_clear_fall_is_a_loss():
    """Its share of the gain is what is left."""
    returns = [float(min(update, 50)) for update in range(100)] + [10.0] * 30

    assert kept(returns)[-1] == pytest.approx(0.175, abs=0.01)


def test_one_first_return_is_not_where_a_run_began():
    """The first rollout may be extraordinarily good; a gain counts from the median of the first ones."""
    returns = [0.0] + [-1.0 + 0.01 * update + 0.02 * (-1) ** update for update in range(60)]

    assert kept(returns)[-1] == pytest.approx(1.0)


def test_nothing_is_kept_without_a_gain():
    """A return that only varies has not risen."""
    assert kept([1.0, 2.0] * 20)[-1] == 0.0
