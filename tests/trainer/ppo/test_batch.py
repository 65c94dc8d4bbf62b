"""A batch is derived from a small rollout whose numbers are known."""

import math

import pytest
import torch

from esper_schemas.heads import HEADS, Op
from esper_trainer.environments.morph.action_masks import static_choices
from esper_trainer.model.action_layout import OP, SLOT, action_layout
from esper_trainer.ppo.batch import compute_targets, make_batch, moments
from esper_trainer.ppo.rollout_buffer import empty_transitions

CPU = torch.device("cpu")
CONSTANTS = action_layout(CPU)
CHOICES = static_choices(CPU)
OPS = [[Op.WAIT, Op.GERMINATE], [Op.PRUNE, Op.WAIT], [Op.WAIT, Op.WAIT]]


@pytest.fixture
def rollout():
    """Three steps of two environments; the second one is dead in the last step."""
    rollout = empty_transitions(3, 2, 4, CPU)
    rollout.actions[:, OP] = torch.tensor(OPS)
    rollout.ops[:, Op.WAIT] = True
    rollout.ops[0, Op.GERMINATE, 1] = True
    rollout.ops[1, Op.PRUNE, 0] = True
    rollout.slots.fill_(True)
    rollout.slots[1, 1:, 0] = False
    rollout.rewards.copy_(torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]))
    rollout.alive.copy_(torch.tensor([[True, True], [True, True], [True, False]]))
    return rollout


@pytest.fixture
def batch(rollout):
    """The batch of the rollout, without discounting."""
    return make_batch(rollout, compute_targets(rollout, 1.0, 1.0), CHOICES, CONSTANTS)


def column(tensor, head):
    """The rows of one head as nested lists."""
    return tensor[HEADS.index(head)].tolist()


def test_returns_without_a_critic_are_sums_of_rewards(rollout):
    """1 + 3 + 5, 3 + 5, 5; and 2 + 4, 4, 0 for the environment that died."""
    assert compute_targets(rollout, 1.0, 1.0).returns.tolist() == [[9.0, 6.0], [8.0, 4.0], [5.0, 0.0]]


def test_advantages_are_normalised_over_the_steps_that_count(batch):
    """Mean 0 and standard deviation 1 over five steps of 9, 8, 5, 6, 4 (mean 6.4)."""
    mean, std = moments(batch.advantages, batch.alive)

    assert mean.item() == pytest.approx(0.0, abs=1e-6)
    assert std.item() == pytest.approx(1.0)
    # population variance: (2.6^2 + 1.6^2 + 1.4^2 + 0.4^2 + 2.4^2) / 5 = 3.44
    assert batch.advantages[0, 0].item() == pytest.approx(2.6 / math.sqrt(3.44))


def test_relevance_follows_the_chosen_op(batch):
    """WAIT uses the op alone, GERMINATE the blueprint too, PRUNE the speed; dead steps use nothing."""
    assert column(batch.relevance, "op") == [[1, 1], [1, 1], [1, 0]]
    assert column(batch.relevance, "blueprint") == [[0, 1], [0, 0], [0, 0]]
    assert column(batch.relevance, "alpha_speed") == [[0, 0], [1, 0], [0, 0]]


def test_availability_follows_the_legal_ops(rollout):
    """A head that a legal op could have used is available, even if another op was chosen."""
    rollout.ops[2, Op.GERMINATE] = True
    batch = make_batch(rollout, compute_targets(rollout, 1.0, 1.0), CHOICES, CONSTANTS)

    assert column(batch.availability, "blueprint") == [[0, 1], [0, 0], [1, 0]]
    assert column(batch.availability, "op") == [[1, 1], [1, 1], [1, 0]]


def test_learnable_is_relevance_with_a_choice(batch):
    """The op is learnable where a second op was legal; PRUNE had one legal slot, GERMINATE three."""
    assert column(batch.learnable, "op") == [[0, 1], [1, 0], [0, 0]]
    assert column(batch.learnable, "slot") == [[0, 1], [0, 0], [0, 0]]
    assert batch.learnable_scale[SLOT, 0, 1].item() == pytest.approx(1 / math.log(3))


def test_a_selection_has_whole_environments(batch):
    """`select` takes columns; `unflatten` is the inverse of `flatten`."""
    part = batch.select(torch.tensor([1]))

    assert part.observations.shape == (3, 1, 4)
    assert part.returns.tolist() == [[6.0], [4.0], [0.0]]
    assert part.actions[OP].tolist() == [[ops[1]] for ops in OPS]
    for one, same in zip(batch.flatten().unflatten(batch.alive.shape), batch, strict=True):
        assert torch.equal(one, same)
