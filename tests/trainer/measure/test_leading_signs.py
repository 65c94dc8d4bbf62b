"""Signs that precede a failure, with numbers that are calculated by hand."""

import math

import pytest
import torch

from esper_trainer.measure.leading_signs import (
    STATES,
    GreedyChoices,
    noise_scale,
    policy_churn,
    sampled,
    trunk_sample,
    trunk_signs,
)
from esper_trainer.model.policy import TrunkOutput

ALIVE = torch.ones(4)


def trunk_of(features, alive=ALIVE, **parts):
    """The trunk at some steps of one environment, of which all layers have these features."""
    same = torch.as_tensor(features)[:, None]
    return trunk_signs(trunk_sample(TrunkOutput(same, same, same)._replace(**parts), alive))


def rank_of(features, alive=ALIVE):
    """The effective rank, None if it is not measured."""
    value, measured = trunk_of(features, alive)["feature_rank"]
    return value.item() if measured else None


def dead_units_of(activations):
    """The share of dormant units."""
    return trunk_of(activations, torch.ones(len(activations)))["dead_units"].value.item()


@pytest.mark.parametrize(
    ("features", "rank"),
    [
        ([[1.0, 0.0], [-1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]], 1.0),
        ([[1.0, 1.0], [-1.0, 1.0], [1.0, -1.0], [-1.0, -1.0]], 2.0),
        ([[2.0, 1.0], [-2.0, 1.0], [2.0, -1.0], [-2.0, -1.0]], 25 / 17),
        ([[9.0, 8.0], [7.0, 8.0], [9.0, 6.0], [7.0, 6.0]], 2.0),
    ],
)
def test_the_effective_rank_counts_directions_by_their_share_of_the_variance(features, rank):
    """One direction, two equal ones, variances 4 and 1: 5² / (16 + 1); a common offset has no effect."""
    assert rank_of(features) == pytest.approx(rank)
    assert rank_of([[x * 1e-12 for x in row] for row in features]) == pytest.approx(rank)


def test_constant_features_have_no_rank():
    """There is no direction in which they vary."""
    assert rank_of([[3.0, 2.0]] * 4) is None


def test_states_of_a_suspended_environment_are_left_out_of_the_rank():
    """The fourth state alone varies in the second direction."""
    alive = torch.tensor([1.0, 1.0, 1.0, 0.0])

    assert rank_of([[1.0, 0.0], [-1.0, 0.0], [0.0, 0.0], [0.0, 9.0]], alive) == pytest.approx(1.0)


def test_the_rank_of_features_that_are_not_numbers_is_not_a_number():
    """It is not reported as a collapse."""
    assert math.isnan(rank_of([[math.nan, 0.0], [1.0, 0.0], [2.0, 0.0], [3.0, 1.0]]))


def test_a_unit_is_dead_if_its_activation_is_a_fortieth_of_the_mean():
    """The means are 4, 4, 0 and 0.04; the layer's is 2.01, of which 0.025 is 0.05025."""
    activations = torch.tensor([[8.0, 0.0, 0.0, 0.08], [0.0, 8.0, 0.0, 0.0]])

    assert dead_units_of(activations) == pytest.approx(2 / 4)
    assert dead_units_of(activations * torch.tensor([1.0, 1.0, 1.0, 2.0])) == 1 / 4
    assert dead_units_of(torch.zeros(2, 4)) == 1.0
    assert math.isnan(dead_units_of(torch.tensor([[math.nan, 1.0]])))


def test_the_feature_layer_is_measured_before_its_normalisation():
    """The outputs are 3, -4 and 1, -2, and 9, 9 at a step that does not count: root mean square."""
    preactivations = torch.tensor([[[3.0, -4.0]], [[1.0, -2.0]], [[9.0, 9.0]]])
    signs = trunk_of([[1.0, 0.0]] * 3, torch.tensor([1.0, 1.0, 0.0]), preactivations=preactivations)

    assert signs["preactivation_norm"].value.item() == pytest.approx(math.sqrt((9 + 16 + 1 + 4) / 4))
    assert signs["dead_units"].value.item() == 0.5


def test_a_large_rollout_is_sampled_evenly():
    """From 4 times as many states every fourth is taken."""
    assert len(sampled(torch.zeros(4 * STATES))) == STATES
    assert sampled(torch.arange(4.0 * STATES))[1] == 4.0
    assert len(sampled(torch.zeros(4 * STATES + 1))) <= STATES
    assert len(sampled(torch.zeros(3, 2))) == 3


def test_the_noise_scale_compares_the_gradients_of_two_halves():
    """Gradients (3, 1) and (1, 1) of 20 steps: noise 4 * 20 / 4, signal 3 + 1."""
    first, second = (torch.tensor([[3.0]]), torch.tensor([1.0])), (torch.tensor([[1.0]]), torch.tensor([1.0]))
    value, measured = noise_scale(first, second, torch.tensor(20.0))

    assert measured
    assert value.item() == pytest.approx(5.0)


def test_the_noise_scale_of_many_noisy_gradients_is_the_ratio_of_variance_and_square():
    """Per-step gradients have mean 1 and variance 9: the medians of the estimates are near 9."""
    torch.manual_seed(0)
    halves = (1.0 + 3.0 * torch.randn(400, 2, 50)).mean(2)
    noise = torch.stack([(a - b) ** 2 * 100.0 / 4.0 for a, b in halves]).mean()
    signal = torch.stack([a * b for a, b in halves]).mean()

    assert (noise / signal).item() == pytest.approx(9.0, rel=0.2)


def test_the_noise_scale_is_not_measured_where_noise_dominates():
    """The halves disagree about the direction."""
    assert not noise_scale((torch.tensor([1.0]),), (torch.tensor([-1.0]),), torch.tensor(8.0)).measured


def test_churn_is_the_share_of_decisions_that_changed():
    """Of three choices with an alternative one changed; the fourth choice has none."""
    learnable = torch.tensor([[1.0, 1.0], [1.0, 0.0]])
    before = GreedyChoices(torch.tensor([[0, 1], [2, 0]]), learnable)
    after = GreedyChoices(torch.tensor([[0, 2], [2, 1]]), learnable)

    assert policy_churn(before, after).value.item() == pytest.approx(1 / 3)
    assert not policy_churn(GreedyChoices(before.choices, learnable * 0), after).measured
