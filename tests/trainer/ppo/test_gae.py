"""Advantages by doubling equal those of the textbook loop."""

import pytest
import torch

from esper_trainer.ppo.gae import advantages, td_errors


def gae(rewards, values, alive, gamma, gae_lambda):
    """Advantages from TD errors."""
    return advantages(td_errors(rewards, values, alive, gamma), alive, gamma, gae_lambda)


def slow(rewards, values, alive, gamma, gae_lambda):
    """The backward loop of the textbook, in float64."""
    rewards, values, alive = (column.double() for column in (rewards, values, alive))
    result = torch.zeros_like(rewards)
    following, value_after = torch.zeros_like(rewards[0]), torch.zeros_like(rewards[0])
    continues = torch.zeros_like(rewards[0])
    for t in reversed(range(len(rewards))):
        delta = rewards[t] + gamma * value_after * continues - values[t]
        following = (delta + gamma * gae_lambda * continues * following) * alive[t]
        result[t], value_after, continues = following, values[t], alive[t]
    return result


def test_three_steps_by_hand():
    """With gamma 0.5 and lambda 0.5, so that gamma * lambda = 0.25:

    delta_2 = 4 - 1 = 3                   A_2 = 3
    delta_1 = 2 + 0.5 * 1 - 2 = 0.5       A_1 = 0.5 + 0.25 * 3 = 1.25
    delta_0 = 1 + 0.5 * 2 - 4 = -2        A_0 = -2 + 0.25 * 1.25 = -1.6875
    """
    rewards, values = torch.tensor([[1.0], [2.0], [4.0]]), torch.tensor([[4.0], [2.0], [1.0]])

    result = gae(rewards, values, torch.ones(3, 1), 0.5, 0.5)

    assert result.flatten().tolist() == [-1.6875, 1.25, 3.0]


def test_a_dead_environment_ends_its_episode_by_hand():
    """Step 1 is the last one alive, so that step 2 does not count.

    A_1 = 2 - 2 = 0; A_0 = 1 + 0.5 * 2 - 4 + 0.25 * 0 = -2; A_2 = 0.
    """
    rewards, values = torch.tensor([[1.0], [2.0], [4.0]]), torch.tensor([[4.0], [2.0], [1.0]])
    alive = torch.tensor([[1.0], [1.0], [0.0]])

    assert gae(rewards, values, alive, 0.5, 0.5).flatten().tolist() == [-2.0, 0.0, 0.0]


@pytest.mark.parametrize("steps", [1, 2, 3, 5, 8, 64, 100])
def test_the_scan_equals_the_loop(steps):
    """This holds for any length, and for environments that die on the way."""
    generator = torch.Generator().manual_seed(steps)
    rewards, values = torch.randn(2, steps, 16, generator=generator)
    alive = (torch.rand(steps, 16, generator=generator) > 0.05).float().cumprod(0)

    result = gae(rewards, values, alive, 0.995, 0.97)

    torch.testing.assert_close(
        result.double(), slow(rewards, values, alive, 0.995, 0.97), rtol=1e-5, atol=1e-5
    )


def test_a_nan_reward_stays_visible():
    """Advantages up to its step are NaN, in its own environment only."""
    rewards = torch.zeros(4, 2)
    rewards[2, 1] = torch.nan

    result = gae(rewards, torch.zeros(4, 2), torch.ones(4, 2), 0.9, 0.9)

    assert result.isnan().tolist() == [[False, True]] * 3 + [[False, False]]
