"""A collected rollout has legal choices, the rewards of the environment, and a state that is carried on."""

import pytest
import torch

from esper_trainer.environments.morph.environment import MorphEnvironment
from esper_trainer.environments.morph.presets import Preset
from esper_trainer.model.action_layout import OP, SLOT, action_layout
from esper_trainer.model.distributions import evaluate
from esper_trainer.model.policy import Tamiyo
from esper_trainer.ppo.batch import compute_targets, make_batch
from esper_trainer.ppo.rollout_collector import TRACED_ENVIRONMENT, RolloutCollector

CPU = torch.device("cpu")
CONSTANTS = action_layout(CPU)
SHORT = Preset("short", sgd_steps=1, batch_size=4, validation_size=8, horizon=32)


@pytest.fixture
def environment():
    """A small real environment."""
    return MorphEnvironment(5, SHORT, seed=0, device=CPU)


@pytest.fixture
def policy():
    """A small policy."""
    return Tamiyo(116, 16, seed=0)


@pytest.fixture
def collector(policy, environment):
    """A collector for both."""
    return RolloutCollector(policy, environment, CONSTANTS, seed=1)


def test_every_choice_was_legal_when_it_was_made(collector):
    """The op was legal, and the slot was legal for the op."""
    rollout = collector.collect(lambda: None).transitions
    op, slot = rollout.actions[:, OP], rollout.actions[:, SLOT]

    assert rollout.ops.gather(1, op.unsqueeze(1)).all()
    assert rollout.slots.gather(1, slot.unsqueeze(1)).all()
    assert len(op.unique()) > 2


@pytest.mark.slow
def test_an_episode_replays_from_its_actions(collector):
    """The same actions in the same environments give the same rewards and observations."""
    collected = collector.collect(lambda: None)
    again = MorphEnvironment(5, SHORT, seed=0, device=CPU)
    again.reset()

    for step in range(SHORT.horizon):
        assert torch.equal(again.observe(), collected.transitions.observations[step])
        outcome = again.step(collected.transitions.actions[step])
        assert torch.equal(outcome.reward, collected.transitions.rewards[step])
        assert torch.equal(outcome.stage_changes.stage[:, TRACED_ENVIRONMENT], collected.slots.after[step])
    assert torch.equal(again.accuracy, collected.accuracy)


def test_stored_log_probabilities_and_values_are_those_of_the_whole_sequence(collector, policy):
    """An update that evaluates the sequence at once gets the values of the rollout."""
    rollout = collector.collect(lambda: None).transitions
    choices = MorphEnvironment(1, SHORT, seed=0, device=CPU).action_masks().choices
    batch = make_batch(rollout, compute_targets(rollout, 0.9, 0.9), choices, CONSTANTS).flatten()

    output = policy(rollout.observations)
    log_probs, _ = evaluate(output.logits, batch.penalty, batch.actions, CONSTANTS)

    torch.testing.assert_close(log_probs, batch.old_log_probs, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(output.values, batch.old_values, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_episodes_differ_but_follow_from_the_seeds(policy):
    """Two collectors with equal seeds collect equal pairs of different episodes."""
    pairs = []
    for _ in range(2):
        environment = MorphEnvironment(5, SHORT, seed=0, device=CPU)
        collector = RolloutCollector(policy, environment, CONSTANTS, seed=1)
        pairs.append([collector.collect(lambda: None).transitions.actions.clone() for _ in range(2)])

    assert torch.equal(pairs[0][0], pairs[1][0])
    assert torch.equal(pairs[0][1], pairs[1][1])
    assert not torch.equal(pairs[0][0], pairs[0][1])


def test_an_episode_can_be_abandoned_between_steps(collector):
    """An exception between steps ends it; the next rollout starts anew."""
    calls = []

    def third_step():
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        collector.collect(third_step)

    assert collector.collect(lambda: None).transitions.alive.all()
