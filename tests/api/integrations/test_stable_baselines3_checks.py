"""Bugs that make learning impossible and show in no loss are found in the first update that has them."""

import pytest

pytest.importorskip("stable_baselines3")
pytest.importorskip("sb3_contrib")

import numpy as np
import torch
from sb3_contrib import MaskablePPO, RecurrentPPO
from sb3_contrib.common.envs import InvalidActionEnvDiscrete
from stable_baselines3 import A2C, PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from esper_lite import open_run
from esper_lite.integrations.stable_baselines3 import EsperCallback
from esper_schemas.rules.table.self_checks import SELF_CHECK_RULES

pytestmark = pytest.mark.slow

SIZE = {"n_steps": 64, "batch_size": 64, "n_epochs": 4, "device": "cpu", "seed": 3}
BEGINS, UPDATES = 4, 5
RULES = {rule.id for rule in SELF_CHECK_RULES}


def ppo(environment="Pendulum-v1", **options):
    """A small model; each update has 128 steps."""
    return PPO("MlpPolicy", make_vec_env(environment, 2, seed=3), **{**SIZE, **options})


def recurrent():
    """PPO with an LSTM, on a task that needs its state."""
    return RecurrentPPO(
        "MlpLstmPolicy",
        make_vec_env("Pendulum-v1", 2, seed=3),
        policy_kwargs={"lstm_hidden_size": 16},
        **SIZE,
    )


def maskable():
    """PPO with masked actions."""
    environments = [lambda: Monitor(InvalidActionEnvDiscrete(dim=6, n_invalid_actions=2))] * 2
    return MaskablePPO("MlpPolicy", DummyVecEnv(environments), **SIZE)


class AtUpdate(BaseCallback):
    """Calls a function before the rollout of an update."""

    def __init__(self, update, function):
        super().__init__()
        self._left, self._function = update, function

    def _on_rollout_start(self):
        self._left -= 1
        if self._left == 0:
            self._function(self.model)

    def _on_step(self):
        return True


def findings(model, runs_dir, fault=None, updates=UPDATES):
    """The rules of self checks that apply after a training, with the update since which they do."""
    callbacks = [EsperCallback("run", runs_dir=runs_dir, aggregator=False)]
    if fault is not None:
        callbacks.append(AtUpdate(BEGINS, fault))
    model.learn(updates * model.n_steps * model.n_envs, callback=callbacks)
    found = open_run(runs_dir / "run").findings()
    return {finding.rule: finding.since_update for finding in found if finding.rule in RULES}


def replaced(owner, name, make):
    """Replace a method by what is made of it."""
    setattr(owner, name, make(getattr(owner, name)))


def noisy_log_probs(model):
    """The rollout store adds noise to log-probabilities."""

    def make(add):
        def noisy(*arguments, **keywords):
            *others, log_prob = arguments
            return add(*others, log_prob + 0.1 * torch.randn_like(log_prob), **keywords)

        return noisy

    replaced(model.rollout_buffer, "add", make)


def late_rewards(model):
    """The rollout store has each reward one step late."""
    kept = [np.zeros(model.n_envs)]

    def make(add):
        def late(observation, action, reward, *others, **keywords):
            kept.append(reward)
            return add(observation, action, kept.pop(0), *others, **keywords)

        return late

    replaced(model.rollout_buffer, "add", make)


def changed_advantages(change):
    """The targets have other advantages."""

    def fault(model):
        buffer = model.rollout_buffer

        def make(compute):
            def changed(*arguments, **keywords):
                compute(*arguments, **keywords)
                buffer.advantages = change(buffer.advantages)

            return changed

        replaced(buffer, "compute_returns_and_advantage", make)

    return fault


def shuffled_in_the_minibatch(model):
    """A minibatch has the advantages of other steps."""

    def make(gather):
        def shuffled(*arguments):
            sample = gather(*arguments)
            order = torch.randperm(len(sample.advantages))
            return sample._replace(advantages=sample.advantages[order])

        return shuffled

    replaced(model.rollout_buffer, "_get_samples", make)


def reversed_loss(model):
    """The gradient of the log-probabilities has the opposite sign."""

    def make(evaluate):
        def reversed_(*arguments, **keywords):
            values, log_probs, entropies = evaluate(*arguments, **keywords)
            return values, 2.0 * log_probs.detach() - log_probs, entropies

        return reversed_

    replaced(model.policy, "evaluate_actions", make)


def dropped_state(model):
    """The policy forgets its state where it acts."""

    def make(forward):
        def forgetful(observations, states, starts, *others, **keywords):
            return forward(observations, states, torch.ones_like(starts), *others, **keywords)

        return forgetful

    replaced(model.policy, "forward", make)


def forgotten_masks(model):
    """The masks of the rollout are not those of the update."""

    def make(add):
        def unmasked(*arguments, action_masks=None, **keywords):
            return add(*arguments, action_masks=np.ones_like(action_masks), **keywords)

        return unmasked

    replaced(model.rollout_buffer, "add", make)


def permuted(advantages):
    """The same advantages at other steps."""
    return np.random.default_rng(0).permutation(advantages.ravel()).reshape(advantages.shape)


@pytest.mark.parametrize(
    ("model", "fault", "rules"),
    [
        (ppo, noisy_log_probs, {"stale_log_probs"}),
        (ppo, late_rewards, {"rewards_altered"}),
        (ppo, changed_advantages(np.negative), {"advantages_wrong"}),
        (ppo, changed_advantages(permuted), {"advantages_wrong"}),
        (ppo, shuffled_in_the_minibatch, {"advantages_wrong"}),
        (recurrent, noisy_log_probs, {"stale_log_probs"}),
        (recurrent, dropped_state, {"stale_log_probs", "inexact_log_probs"}),
        (recurrent, changed_advantages(permuted), {"advantages_wrong"}),
        (maskable, forgotten_masks, {"stale_log_probs"}),
        (maskable, shuffled_in_the_minibatch, {"advantages_wrong"}),
    ],
)
def test_a_silent_bug_is_found_in_its_first_update(runs_dir, model, fault, rules):
    """One of the rules names it, and no other does."""
    (found,) = findings(model(), runs_dir, fault, updates=BEGINS).items()

    assert found[0] in rules
    assert found[1] == BEGINS


def test_a_reversed_loss_is_found_within_six_updates(runs_dir):
    """It passes every identity."""
    found = findings(ppo("Acrobot-v1"), runs_dir, reversed_loss, updates=BEGINS + 5)

    assert set(found) == {"advantage_sign"}
    assert found["advantage_sign"] >= BEGINS


@pytest.mark.parametrize(
    "model", [ppo, recurrent, maskable, lambda: ppo("CartPole-v1"), lambda: ppo("Acrobot-v1")]
)
def test_a_correct_training_has_no_such_finding(runs_dir, model):
    """Identities hold up to rounding, with episodes that end or are cut off."""
    assert findings(model(), runs_dir, updates=10) == {}


def test_rewards_that_a_wrapper_scales_are_no_fault(runs_dir):
    """They are compared where the library gets them."""
    environment = VecNormalize(make_vec_env("Pendulum-v1", 2, seed=3))

    assert findings(PPO("MlpPolicy", environment, **SIZE), runs_dir) == {}


def test_other_algorithms_are_checked_as_far_as_they_have_a_minibatch(runs_dir):
    """A2C has one minibatch, and so no correlation."""
    model = A2C("MlpPolicy", make_vec_env("CartPole-v1", 2, seed=3), n_steps=32, device="cpu", seed=3)
    findings(model, runs_dir)
    tamiyo = open_run(runs_dir / "run").snapshot().tamiyo

    assert tamiyo.initial_ratio_max < 1e-5
    assert tamiyo.gae_residual < 1e-4
    assert tamiyo.advantage_correlation is None


def test_the_methods_of_the_model_are_its_own_again_afterwards(runs_dir):
    """Also those that the program replaced itself."""
    model, seen = ppo(), []
    own = model.policy.evaluate_actions
    model.policy.evaluate_actions = lambda *arguments: seen.append(1) or own(*arguments)
    replacement = model.policy.evaluate_actions

    findings(model, runs_dir)

    assert model.policy.evaluate_actions is replacement
    assert "_get_samples" not in vars(model.rollout_buffer)
    assert len(seen) == UPDATES * SIZE["n_epochs"] * 2


def test_a_check_that_fails_does_not_end_the_training(runs_dir, caplog):
    """Here the library names the rewards of a step in another way; that is logged once."""
    model, callback = ppo(), EsperCallback("run", runs_dir=runs_dir, aggregator=False)
    keep = callback.update_locals
    callback.update_locals = lambda found: keep({name: found[name] for name in found if name != "rewards"})

    model.learn(3 * model.n_steps * model.n_envs, callback=callback)

    tamiyo = open_run(runs_dir / "run").snapshot().tamiyo
    assert tamiyo.ppo_updates_count == 3
    assert tamiyo.gae_residual is None
    assert len([record for record in caplog.records if "recording failed" in record.getMessage()]) == 1


def test_a_check_of_a_minibatch_that_fails_does_not_end_the_training(runs_dir, caplog):
    """Here the policy returns log-probabilities that are no tensor."""
    model = ppo()

    class Odd:
        """Behaves like a tensor in the loss, and has no other method."""

        def __init__(self, tensor):
            self.tensor = tensor

        def __sub__(self, other):
            return self.tensor - other

    def make(evaluate):
        def odd(*arguments, **keywords):
            values, log_probs, entropies = evaluate(*arguments, **keywords)
            return values, Odd(log_probs), entropies

        return odd

    replaced(model.policy, "evaluate_actions", make)

    findings(model, runs_dir, updates=2)

    assert open_run(runs_dir / "run").snapshot().tamiyo.ppo_updates_count == 2
    assert len([record for record in caplog.records if "recording failed" in record.getMessage()]) == 1
