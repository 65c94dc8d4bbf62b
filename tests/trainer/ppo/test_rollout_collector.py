"""An episode as it is written down: legal choices, real rewards, and the state carried on."""

import pytest
import torch

from esper_trainer.environments.morph.environment import MorphEnvironment
from esper_trainer.environments.morph.presets import Preset
from esper_trainer.model.action_layout import OP, SLOT, layout
from esper_trainer.model.distributions import evaluate
from esper_trainer.model.policy import Tamiyo
from esper_trainer.ppo.batch import prepare, targets
from esper_trainer.ppo.rollout_collector import WATCHED, Player

CPU = torch.device("cpu")
CONSTANTS = layout(CPU)
SHORT = Preset("short", sgd_steps=1, batch_size=4, validation_size=8, horizon=32)


@pytest.fixture
def environment():
    """A small real one."""
    return MorphEnvironment(5, SHORT, seed=0, device=CPU)


@pytest.fixture
def policy():
    """A small one."""
    return Tamiyo(116, 16, seed=0)


@pytest.fixture
def player(policy, environment):
    """What plays it."""
    return Player(policy, environment, CONSTANTS, seed=1)


def test_every_choice_was_legal_when_it_was_made(player):
    """The op among those that were open, the slot among those that the op left open."""
    rollout = player.play(lambda: None).rollout
    op, slot = rollout.actions[:, OP], rollout.actions[:, SLOT]

    assert rollout.ops.gather(1, op.unsqueeze(1)).all()
    assert rollout.slots.gather(1, slot.unsqueeze(1)).all()
    assert len(op.unique()) > 2


def test_an_episode_replays_from_its_actions(player):
    """The same actions in the same environments give the same rewards and observations."""
    episode = player.play(lambda: None)
    again = MorphEnvironment(5, SHORT, seed=0, device=CPU)
    again.reset()

    for step in range(SHORT.horizon):
        assert torch.equal(again.observe(), episode.rollout.observations[step])
        outcome = again.step(episode.rollout.actions[step])
        assert torch.equal(outcome.reward, episode.rollout.rewards[step])
        assert torch.equal(outcome.stage_changes.stage[:, WATCHED], episode.slots.after[step])
    assert torch.equal(again.accuracy, episode.accuracy)


def test_stored_log_probabilities_and_values_are_those_of_the_whole_sequence(player, policy):
    """An update that runs the sequence at once starts where the rollout was."""
    rollout = player.play(lambda: None).rollout
    choices = MorphEnvironment(1, SHORT, seed=0, device=CPU).legality().choices
    batch = prepare(rollout, targets(rollout, 0.9, 0.9), choices, CONSTANTS).flat()

    output = policy(rollout.observations)
    log_probs, _ = evaluate(output.logits, batch.penalty, batch.actions, CONSTANTS)

    torch.testing.assert_close(log_probs, batch.old_log_probs, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(output.values, batch.old_values, rtol=1e-4, atol=1e-5)


def test_episodes_differ_but_follow_from_the_seeds(policy):
    """Two players with equal seeds play equal pairs of different episodes."""
    pairs = []
    for _ in range(2):
        environment = MorphEnvironment(5, SHORT, seed=0, device=CPU)
        player = Player(policy, environment, CONSTANTS, seed=1)
        pairs.append([player.play(lambda: None).rollout.actions.clone() for _ in range(2)])

    assert torch.equal(pairs[0][0], pairs[1][0])
    assert torch.equal(pairs[0][1], pairs[1][1])
    assert not torch.equal(pairs[0][0], pairs[0][1])


def test_an_episode_can_be_abandoned_between_steps(player):
    """Whatever is raised there ends it; the next episode starts anew."""
    calls = []

    def third_step():
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        player.play(third_step)

    assert player.play(lambda: None).rollout.alive.all()
