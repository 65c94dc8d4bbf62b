"""Events of the diagnosis of an update, with numbers that are calculated by hand."""

import math

import pytest
import torch

from esper_schemas.events import (
    HeadGradientsCompared,
    LayerGradientsSampled,
)
from esper_schemas.heads import HEADS
from esper_trainer.measure.debug_diagnostics import debug_diagnostics
from esper_trainer.measure.gradient_collector import CollectedGradients
from esper_trainer.measure.minibatch_statistics import PolicyEvaluation
from esper_trainer.model.policy import LSTMStep, TrunkOutput
from esper_trainer.ppo.batch import RolloutBatch
from esper_trainer.ppo.policy_optimiser import LayerInfo
from esper_trainer.telemetry.debug_events import diagnostic_events

STEPS, ENVIRONMENTS = 3, 2


@pytest.fixture
def events_of():
    """The events that follow from log-ratios {(head, step, environment): log-ratio}, all else 0."""

    def events(log_ratios, irrelevant=()):
        block, relevance = torch.zeros(8, STEPS, ENVIRONMENTS), torch.ones(8, STEPS, ENVIRONMENTS)
        for (head, *place), value in log_ratios.items():
            block[HEADS.index(head), *place] = value
        for head in irrelevant:
            relevance[HEADS.index(head)] = 0.0
        flat, nothing = block.flatten(1), torch.zeros(8, 6)
        batch = RolloutBatch(
            torch.zeros(STEPS, ENVIRONMENTS, 4),
            nothing,
            actions=torch.arange(6).repeat(8, 1),
            old_log_probs=nothing,
            relevance=relevance.flatten(1),
            **dict.fromkeys(RolloutBatch._fields[5:], nothing),
        )
        evaluation = PolicyEvaluation(
            nothing,
            nothing,
            flat,
            flat.exp(),
            nothing,
            nothing,
            LSTMStep(*(nothing,) * 4),
            TrunkOutput(*(nothing,) * 3),
        )
        gradients = CollectedGradients(
            torch.tensor([5.0, 2.0]), torch.tensor([[0, 2], [1, 0]]), torch.zeros(9), torch.zeros(9, 9)
        )
        layers = LayerInfo(("a", "b"), nothing, nothing, exploding=10.0, dead=0.0, magnitude_bounds=())
        return list(diagnostic_events(7, layers, debug_diagnostics(evaluation, batch, gradients)))

    return events


def test_gradients_come_first(events_of):
    """They are as collected; no head has large ratios."""
    assert events_of({}) == [
        LayerGradientsSampled(
            update=7, grad_norms={"a": 5.0, "b": 2.0}, magnitudes={"a": (0, 2), "b": (1, 0)}
        ),
        HeadGradientsCompared(update=7, heads=(), norms=(), cosines=()),
    ]


def test_l2_the_head_and_the_transitions_are_named(events_of):
    """Ratios 8 and 1/4 are critical, 1.2 is not; place (2, 1) is the sixth of 3 x 2."""
    *_, event = events_of({("slot", 0, 1): -math.log(4), ("slot", 2, 1): math.log(8), ("slot", 1, 0): 0.18})

    assert (event.update, event.head) == (7, "slot")
    assert event.ratios == pytest.approx((8.0, 0.25))
    assert (event.steps, event.environments, event.actions) == ((2, 0), (1, 1), (5, 1))


def test_ratios_of_an_irrelevant_head_are_ignored(events_of):
    """There are only the two events about gradients."""
    assert len(events_of({("slot", 0, 1): 3.0}, irrelevant=("slot",))) == 2


def test_a_ratio_that_is_not_a_number_is_the_worst(events_of):
    """It comes before the others."""
    *_, event = events_of({("tempo", 0, 0): 1.0, ("tempo", 1, 1): math.nan})

    assert math.isnan(event.ratios[0])
    assert event.ratios[1] == pytest.approx(math.e)
