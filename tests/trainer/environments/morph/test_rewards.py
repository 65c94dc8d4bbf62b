"""The terms of the reward, by hand."""

import math
from itertools import pairwise

import pytest
import torch

from esper_schemas.heads import Stage
from esper_trainer.environments.morph import rewards
from esper_trainer.environments.morph.presets import GAMMA
from esper_trainer.environments.morph.rewards import RewardInputs, potential_table, reward

NOTHING = RewardInputs(
    accuracy_gain=torch.zeros(1),
    contribution=torch.zeros(3, 1),
    parameter_ratio=torch.zeros(1),
    potential_before=torch.zeros(1),
    potential_after=torch.zeros(1),
    legal=torch.tensor([True]),
)


def of(**changes) -> float:
    """The reward of a step in which only this changed."""
    tensors = {name: torch.as_tensor(value) for name, value in changes.items()}
    return reward(NOTHING._replace(**tensors)).item()


def test_without_any_change_the_reward_is_zero():
    """A step in which nothing happens has reward 0."""
    assert of() == 0


def test_accuracy_gain():
    """Gaining and losing the same accuracy cancel."""
    assert of(accuracy_gain=[0.1]) == pytest.approx(rewards.ACCURACY * 0.1)
    assert of(accuracy_gain=[0.1]) + of(accuracy_gain=[-0.1]) == 0


def test_contributions_are_summed_within_their_bound():
    """A seed on which its host fully depends earns no more than a useful one."""
    bound = rewards.CONTRIBUTION_BOUND
    expected = rewards.CONTRIBUTION * (bound / 2 + bound - bound)

    assert of(contribution=[[bound / 2], [9 * bound], [-9 * bound]]) == pytest.approx(expected)


def test_rent_grows_with_the_logarithm():
    """A seed as large as its host costs log 2 rents."""
    assert of(parameter_ratio=[1.0]) == pytest.approx(-rewards.RENT * math.log(2))


def test_shaping_telescopes():
    """Along a path that ends at potential 0 the discounted shaping sums to minus the start's."""
    potentials = [2.0, 5.0, 1.0, 0.0]
    total = sum(
        GAMMA**t * of(potential_before=[before], potential_after=[after])
        for t, (before, after) in enumerate(pairwise(potentials))
    )

    assert total == pytest.approx(-rewards.SHAPING * potentials[0])


def test_illegal_choices_cost_a_little():
    """The penalty is smaller than the reward of one more correct sample."""
    assert of(legal=[False]) == pytest.approx(-rewards.INVALID)
    assert rewards.INVALID < rewards.ACCURACY / 128


def test_potentials_rise_over_the_lifecycle():
    """Every stage up to FOSSILIZED has a higher potential than the previous one; EMBARGOED has 0."""
    table = potential_table(torch.device("cpu"))
    way = table[Stage.DORMANT : Stage.FOSSILIZED + 1]

    assert (way.diff() > 0).all()
    assert table[Stage.EMBARGOED] == 0
