"""The policy after the last step of an update is compared with the one that acted."""

import copy
import math

import pytest
import torch

from esper_schemas.metrics.metric import TelemetryLevel
from esper_trainer.config import TrainingConfig
from esper_trainer.learner.learner import Learner
from esper_trainer.measure.packed_metrics import unpack_final
from esper_trainer.ppo.batch import compute_targets, make_batch

NORMAL = TelemetryLevel.NORMAL
CPU = torch.device("cpu")


@pytest.fixture
def learner():
    """A learner that has collected a rollout; one epoch of one minibatch."""
    config = TrainingConfig(environments=4, hidden_size=16, epochs=1, target_kl=0.0, learning_rate=1e-2)
    learner = Learner(config, CPU)
    learner.collector.collect(lambda: None)
    return learner


def test_before_an_update_nothing_has_moved(learner):
    """Ratios are 1 up to rounding, and no divergence is below 0 by more than that."""
    final = unpack_final(learner.measure_final())

    assert final["kl_final"] == pytest.approx(0.0, abs=1e-7)
    assert final["ratio_max_final"] == pytest.approx(1.0, abs=1e-5)
    assert final["clip_fraction_final"] == 0.0


def test_the_reported_kl_of_a_single_step_is_0_and_the_final_one_is_not(learner):
    """The one minibatch is evaluated before its step."""
    payload = learner.ppo.payload(learner.update(NORMAL), NORMAL, {})

    assert payload.kl_divergence == pytest.approx(0.0, abs=1e-7)
    assert unpack_final(learner.measure_final())["kl_final"] > 1e-4


def test_the_numbers_are_those_of_an_independent_evaluation(learner):
    """The reference uses torch.distributions, and loops over the heads."""
    learner.update(NORMAL)
    rollout = learner.collector.transitions
    batch = make_batch(
        rollout, compute_targets(rollout, 1.0, 1.0), learner.ppo._choices, learner.ppo._layout
    ).flatten()
    sizes = [int((learner.ppo._layout.heads == head).sum()) for head in range(8)]
    with torch.no_grad():
        logits = copy.deepcopy(learner._policy)(rollout.observations).logits
    parts = (logits + batch.penalty).double().split(sizes)
    log_ratios = [
        torch.distributions.Categorical(logits=part.t()).log_prob(actions) - old
        for part, actions, old in zip(parts, batch.actions, batch.old_log_probs, strict=True)
    ]
    relevant = batch.relevance > 0
    chosen = torch.cat([one[where] for one, where in zip(log_ratios, relevant, strict=True)])
    joint = (torch.stack(log_ratios) * batch.relevance).sum(0)

    final = unpack_final(learner.measure_final())

    assert final["kl_final"] == pytest.approx((chosen.exp() - 1 - chosen).mean().item(), rel=1e-3)
    assert final["joint_kl_final"] == pytest.approx((joint.exp() - 1 - joint).mean().item(), rel=1e-3)
    assert final["ratio_max_final"] == pytest.approx(chosen.exp().max().item(), rel=1e-4)
    assert final["joint_ratio_max_final"] == pytest.approx(joint.exp().max().item(), rel=1e-4)
    outside = ((chosen.exp() - 1).abs() > TrainingConfig().clip_range).double().mean().item()
    assert final["clip_fraction_final"] == pytest.approx(outside, abs=1e-3)
    assert math.isfinite(sum(final.values()))


def test_it_changes_nothing(learner):
    """The parameters and the generators are the same afterwards."""
    before = {name: tensor.clone() for name, tensor in learner.tensors().items()}
    states = learner.generator_states()

    learner.measure_final()

    assert all(torch.equal(tensor, before[name]) for name, tensor in learner.tensors().items())
    assert all(torch.equal(state, states[name]) for name, state in learner.generator_states().items())
