"""The transitions that moved furthest in an update, as tensors."""

import math

import pytest
import torch

from esper_schemas.heads import HEADS
from esper_trainer.measure.debug_diagnostics import MAX_TRANSITIONS, debug_diagnostics
from esper_trainer.measure.gradient_collector import CollectedGradients
from esper_trainer.measure.minibatch_statistics import PolicyEvaluation
from esper_trainer.model.policy import LSTMStep, TrunkOutput
from esper_trainer.ppo.batch import RolloutBatch

STEPS, ENVIRONMENTS = 4, 2
N = STEPS * ENVIRONMENTS
SLOT = HEADS.index("slot")
GRADIENTS = CollectedGradients(torch.ones(3), torch.ones(3, 2), torch.ones(9), torch.ones(9, 9))


def diagnose(log_ratios, relevance=None):
    """The diagnostics of an evaluation with log-ratios [8, N]; the action of transition n is n."""
    zeros = torch.zeros(len(HEADS), N)
    batch = RolloutBatch(
        observations=torch.zeros(STEPS, ENVIRONMENTS, 4),
        actions=torch.arange(N).expand(len(HEADS), N),
        relevance=torch.ones_like(zeros) if relevance is None else relevance,
        **dict.fromkeys(set(RolloutBatch._fields) - {"observations", "actions", "relevance"}, zeros),
    )
    evaluation = PolicyEvaluation(
        zeros,
        zeros,
        log_ratios,
        log_ratios.exp(),
        zeros,
        zeros,
        LSTMStep(*(zeros,) * 4),
        TrunkOutput(*(zeros,) * 3),
    )
    return debug_diagnostics(evaluation, batch, GRADIENTS)


def test_the_largest_ratios_come_first_in_either_direction():
    """Each head has `MAX_TRANSITIONS` that rose, then those that fell, each with its place and action."""
    log_ratios = torch.zeros(len(HEADS), N)
    log_ratios[SLOT, 5], log_ratios[SLOT, 3], log_ratios[SLOT, 2] = -math.log(8), -math.log(2), math.log(4)

    diagnostics = diagnose(log_ratios)

    assert diagnostics.ratios.shape == (len(HEADS), 2 * MAX_TRANSITIONS)
    furthest = [0, MAX_TRANSITIONS, MAX_TRANSITIONS + 1]
    torch.testing.assert_close(diagnostics.ratios[SLOT, furthest], torch.tensor([4.0, 1 / 8, 1 / 2]))
    assert (diagnostics.ratios[SLOT] == 1.0).sum() == 2 * MAX_TRANSITIONS - len(furthest)
    assert diagnostics.steps[SLOT, furthest].tolist() == [1, 2, 1]
    assert diagnostics.environments[SLOT, furthest].tolist() == [0, 1, 1]
    assert diagnostics.actions[SLOT, furthest].tolist() == [2, 5, 3]


def test_a_large_ratio_is_found_among_many_that_fell_further():
    """A choice that became eight times as probable is reported beside many that became impossible."""
    log_ratios = torch.full((len(HEADS), N), -10.0)
    log_ratios[SLOT, 6] = math.log(8)

    diagnostics = diagnose(log_ratios)

    assert diagnostics.ratios[SLOT, 0].item() == pytest.approx(8.0)
    assert diagnostics.actions[SLOT, 0].item() == 6
    assert (diagnostics.ratios[SLOT, 1:MAX_TRANSITIONS] == 1.0).all()


def test_the_ratio_of_an_irrelevant_head_is_one():
    """Its log-ratio has no effect on the loss."""
    diagnostics = diagnose(torch.ones(len(HEADS), N), torch.zeros(len(HEADS), N))

    assert (diagnostics.ratios == 1).all()


def test_gradients_are_passed_on():
    """The first fields are those of `CollectedGradients`."""
    diagnostics = diagnose(torch.zeros(len(HEADS), N))

    assert diagnostics[: len(GRADIENTS)] == tuple(GRADIENTS)
