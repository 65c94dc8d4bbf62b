"""The checks of a trainer are zero where it is right, and not where it is wrong."""

import numpy as np
import pytest
from benchmarks.verdicts.identities import (
    Rewards,
    correlation,
    final_policy,
    gae_residual,
    generalised_advantages,
    initial_policy,
    reward_checksum,
)

RANDOM = np.random.default_rng(0)


def test_advantages_of_one_episode_are_those_of_the_definition():
    """The sum of (gamma lambda)^k delta, without anything from the next episode."""
    rewards, values = RANDOM.normal(size=(2, 3, 1))
    starts = np.array([[1.0], [0.0], [1.0]])
    known = Rewards(rewards, values, starts, np.array([7.0]), np.array([0.0]))
    first = rewards[0] + 0.9 * values[1] - values[0]
    second = rewards[1] - values[1]

    advantages = generalised_advantages(known, 0.9, 0.5)

    assert advantages[0] == pytest.approx(first + 0.45 * second)
    assert advantages[1] == pytest.approx(second)
    assert advantages[2] == pytest.approx(rewards[2] + 0.9 * 7.0 - values[2])


def test_equal_log_probabilities_have_ratio_one():
    """A noise of 0.1 is far beyond it."""
    old = RANDOM.normal(size=100)
    noisy = initial_policy(old + 0.1 * RANDOM.normal(size=100), old)

    assert initial_policy(old, old) == {"initial_ratio_max": 0.0, "initial_kl": 0.0}
    assert noisy["initial_ratio_max"] > 0.1
    assert noisy["initial_kl"] > 0.001


def test_rewards_in_another_order_have_another_checksum():
    """Even by one step."""
    rewards = RANDOM.normal(size=(8, 2))

    assert reward_checksum(rewards, rewards)["reward_checksum_error"] == 0.0
    assert reward_checksum(np.roll(rewards, 1, 0), rewards)["reward_checksum_error"] > 0.01


def test_other_advantages_have_a_residual():
    """In deviations of the true ones."""
    true = np.array([1.0, -1.0, 1.0, -1.0])

    assert gae_residual(true, true)["gae_residual"] == 0.0
    assert gae_residual(-true, true)["gae_residual"] == pytest.approx(2.0)


def test_a_policy_that_follows_the_advantages_is_correlated_with_them():
    """And against them if it does the opposite."""
    advantages, old = RANDOM.normal(size=50), np.zeros(50)
    follows = final_policy(old + 0.1 * advantages, old, advantages, 0.2)

    assert follows["advantage_correlation"] == pytest.approx(1.0)
    assert final_policy(old - 0.1 * advantages, old, advantages, 0.2)["advantage_correlation"] < -0.99
    assert follows["kl_final"] > 0.0
    assert np.isnan(correlation(np.zeros(3), np.arange(3.0)))
