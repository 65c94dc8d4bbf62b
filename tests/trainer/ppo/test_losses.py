"""The losses equal hand calculations."""

import math

import pytest
import torch

from esper_trainer.ppo import losses


def test_a_masked_mean_divides_by_what_is_counted():
    """(1 + 3) / 2 = 2; the mean of nothing is 0, not NaN."""
    values = torch.tensor([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]])
    mask = torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.0, 0.0]])

    assert losses.masked_mean(values, mask).tolist() == [2.0, 0.0]


def test_log_ratios_are_clamped_to_20():
    """exp(88) would be infinite in float32 (TELE-151)."""
    new, old = torch.tensor([-1.0, -90.0, -1.0]), torch.tensor([-1.5, -1.0, -90.0])

    assert losses.log_ratio(new, old).tolist() == [0.5, -20.0, 20.0]


@pytest.mark.parametrize(
    ("ratio", "advantage", "expected"),
    [
        (1.5, 2.0, 2.4),  # min(1.5 * 2, 1.2 * 2)
        (0.5, 2.0, 1.0),  # min(0.5 * 2, 0.8 * 2): a fall is not clipped
        (1.5, -2.0, -3.0),  # min(-3.0, -2.4): nor is a rise where it was bad
        (0.5, -2.0, -1.6),  # min(-1.0, -1.6)
        (1.1, 2.0, 2.2),  # inside the range nothing is clipped
    ],
)
def test_the_surrogate_is_clipped_pessimistically(ratio, advantage, expected):
    """min(r * A, clip(r, 0.8, 1.2) * A)."""
    result = losses.clipped_surrogate(torch.tensor([[ratio]]), torch.tensor([advantage]), 0.2)

    assert result.item() == pytest.approx(expected)


def test_tele_131_the_policy_loss_sums_masked_means_over_heads():
    """Head 0: mean(1, 2, 3) = 2. Head 1, relevant in one step: 6. Head 2: never. -(2 + 6 + 0)."""
    values = torch.tensor([[1.0, 2.0, 3.0], [4.0, 6.0, 8.0], [9.0, 9.0, 9.0]])
    relevance = torch.tensor([[1.0, 1.0, 1.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]])

    assert losses.policy_loss(values, relevance).item() == -8.0


def test_tele_132_the_value_loss_takes_the_larger_error():
    """Old value 0, clip 10.

    V = 4, G = 5: inside the clip; (4 - 5)^2 = 1.
    V = 14, G = 15: clipped to 10; max(1, 25) = 25.
    V = -30, G = -10: clipped to -10; max(400, 0) = 400.
    Half the mean: 0.5 * (1 + 25 + 400) / 3 = 71.
    """
    values, returns = torch.tensor([4.0, 14.0, -30.0]), torch.tensor([5.0, 15.0, -10.0])

    squared_errors = losses.squared_error(values, torch.zeros(3), returns, 10.0)

    assert squared_errors.tolist() == [1.0, 25.0, 400.0]
    assert losses.value_loss(squared_errors, torch.ones(3)).item() == 71.0


def test_without_value_clipping_the_error_is_the_plain_one():
    """A clip of 0 disables it; dead steps do not count: 0.5 * (1 + 1) / 2 = 0.5."""
    values, returns = torch.tensor([4.0, 14.0, -30.0]), torch.tensor([5.0, 15.0, -10.0])

    squared_errors = losses.squared_error(values, torch.zeros(3), returns, 0.0)

    assert squared_errors.tolist() == [1.0, 1.0, 400.0]
    assert losses.value_loss(squared_errors, torch.tensor([1.0, 1.0, 0.0])).item() == 0.5


def test_the_kl_estimate_by_hand():
    """r = 2: (2 - 1) - ln 2; r = 1: 0; r = 0.5: -0.5 + ln 2. Never negative."""
    ratios = torch.tensor([2.0, 1.0, 0.5])

    result = losses.kl_estimate(ratios.log(), ratios)

    assert result.tolist() == pytest.approx([1 - math.log(2), 0.0, math.log(2) - 0.5])


def test_the_entropy_bonus_weighs_heads():
    """1.0 * mean(1, 3) + 1.3 * 2 = 4.6; a head that no legal op could use adds nothing."""
    entropies = torch.tensor([[1.0, 3.0], [2.0, 9.0], [5.0, 5.0]])
    available = torch.tensor([[1.0, 1.0], [1.0, 0.0], [0.0, 0.0]])

    bonus = losses.entropy_bonus(entropies, available, torch.tensor([1.0, 1.3, 1.2]))

    assert bonus.item() == pytest.approx(4.6)
