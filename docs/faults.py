"""Faults of real trainings: a table of them, and short runs into which they are injected.

The product does not know about them: a fault is a setting, a change of the policy or its gradients, or a
change of the rewards. A run is healthy before the update at which its fault begins.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from docs.fault_damage import (
    acts_as_another,
    constant_critic,
    forgetful,
    freeze_rows,
    huge_critic,
    late_rewards,
    nan_at,
    nan_gradients,
    noise,
    prefer_the_first,
    random_critic,
    reverse_the_loss,
    rows_of,
    scale_gradients,
    scale_logits,
    sets_lstm,
    shuffled,
)

from esper_schemas.events import Event
from esper_schemas.metrics.metric import TelemetryLevel
from esper_trainer.config import TrainingConfig, derived_seed
from esper_trainer.device.host_transfer import HostCopy
from esper_trainer.environments.morph.environment import MorphEnvironment
from esper_trainer.environments.morph.scripted_baselines import run_baseline
from esper_trainer.learner import ppo_update
from esper_trainer.learner.ppo_update import PPO
from esper_trainer.model.action_layout import action_layout
from esper_trainer.model.policy import Tamiyo
from esper_trainer.ppo.batch import RolloutBatch
from esper_trainer.ppo.rollout_buffer import Transitions
from esper_trainer.ppo.rollout_collector import RolloutCollector
from esper_trainer.telemetry.episode_summary import EpisodeSummary, episode_summary
from esper_trainer.telemetry.training_events import run_started, update_events

DEVICE = torch.device("cpu")


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Something that goes wrong from update `begins` on, and the rules that have to find it.

    `settings` replace those of the run, `damage` is called once with the policy, and `rewards` is called with
    the rewards [T, N] that the environment returns, which it changes in place. `stored` changes what the
    learner has of every rollout, and `gathered` the training batch. A run of `updates` updates is long enough
    to find the fault.
    """

    name: str
    words: str
    rules: tuple[str, ...]
    begins: int = 4
    updates: int
    settings: dict[str, Any] | None = None
    damage: Callable[[Tamiyo], None] | None = None
    rewards: Callable[[torch.Tensor], object] | None = None
    stored: Callable[[Transitions], object] | None = None
    gathered: Callable[[RolloutBatch], RolloutBatch] | None = None


class _LearnerState(NamedTuple):
    policy: dict[str, torch.Tensor]
    optimiser: dict[str, torch.Tensor]
    generators: list[torch.Tensor]


class HealthyTraining:
    """A training without a fault, from which those with a fault branch off; made once, as far as needed."""

    def __init__(self, config: TrainingConfig) -> None:
        self.config = config
        self.baseline_return = run_baseline(
            "wait", config.environments, config.size, config.seed, DEVICE
        ).mean_return
        self._learner = _Learner(config)
        self._events: list[list[Event]] = []
        self._states = [self._learner.state()]

    def update(self, update: int) -> list[Event]:
        """The events of an update, counted from 1."""
        while len(self._events) < update:
            self._events.append(list(self._learner.update(len(self._events) + 1)))
            self._states.append(self._learner.state())
        return self._events[update - 1]

    def learner(self, update: int) -> "_Learner":
        """A learner that has made all updates before this one."""
        if update > 1:
            self.update(update - 1)
        learner = _Learner(self.config)
        learner.load(self._states[update - 1])
        return learner


def faulty_run(fault: Fault | None, updates: int, healthy: HealthyTraining) -> Iterator[Event]:
    """The events of a run that branches off from a healthy one, or of that if `fault` is None."""
    config = replace(healthy.config, episodes=updates)
    yield run_started(config, config.environments, healthy.baseline_return)
    begins = updates + 1 if fault is None else fault.begins
    for update in range(1, min(begins, updates + 1)):
        yield from healthy.update(update)
    if fault is not None:
        learner = healthy.learner(begins)
        learner.break_by(fault)
        for update in range(begins, updates + 1):
            yield from learner.update(update)


class _Learner:
    """Collects rollouts and updates the policy like the product's runner, with the same classes."""

    def __init__(self, config: TrainingConfig) -> None:
        self._config, self._constants = config, action_layout(DEVICE)
        self._environment = MorphEnvironment(
            config.environments, config.size, seed=config.seed, device=DEVICE
        )
        self._policy = Tamiyo(
            self._environment.observation_size, config.hidden_size, seed=derived_seed(config.seed, "policy")
        )
        self._collector = RolloutCollector(
            self._policy, self._environment, self._constants, seed=derived_seed(config.seed, "actions")
        )
        self._rewards: Callable[[torch.Tensor], object] = lambda rewards: rewards
        self._stored: Callable[[Transitions], object] = lambda transitions: transitions
        self._gathered: Callable[[RolloutBatch], RolloutBatch] = lambda batch: batch
        self._ppo = self._new_ppo()

    def _new_ppo(self) -> PPO:
        return PPO(self._policy, self._constants, self._environment.action_masks().choices, self._config)

    def state(self) -> _LearnerState:
        """All that determines the updates to come; every episode draws new environments."""
        return _LearnerState(
            _copies(self._policy.state_dict()),
            _copies(self._ppo.optimiser.state_dict()),
            [generator.get_state() for generator in self._generators()],
        )

    def load(self, state: _LearnerState) -> None:
        """Restore a state."""
        self._policy.load_state_dict(_copies(state.policy))
        self._ppo.optimiser.load_state_dict(_copies(state.optimiser))
        for generator, own in zip(self._generators(), state.generators, strict=True):
            generator.set_state(own)

    def _generators(self) -> tuple[torch.Generator, ...]:
        return self._environment.generator, self._collector.generator, self._ppo.generator

    def break_by(self, fault: Fault) -> None:
        """Inject a fault into all further updates."""
        if fault.settings:
            self._config = replace(self._config, **fault.settings)
            self._ppo = self._new_ppo()
        if fault.damage:
            fault.damage(self._policy)
        self._rewards = fault.rewards or self._rewards
        self._stored = fault.stored or self._stored
        self._gathered = fault.gathered or self._gathered

    def update(self, update: int) -> Iterator[Event]:
        """One episode of every environment and one PPO update, as events."""
        collected = self._collector.collect(between_steps=lambda: None)
        rewards = self._collector.environment_rewards
        for column in (collected.transitions.rewards, rewards):
            self._rewards(column)
        summary = [column.clone() for column in episode_summary(collected)]
        self._stored(collected.transitions)
        with _batches_changed_by(self._gathered):
            row = self._ppo.update(collected.transitions, TelemetryLevel.NORMAL, rewards)
        numbers, *columns = HostCopy((row, *summary)).wait()
        host = {
            "learning_rate": self._config.learning_rate,
            "entropy_coefficient": self._config.entropy_coefficient,
            "update_time_ms": 1.0,
        }
        steps = self._config.environments * self._config.size.horizon
        yield from update_events(
            update,
            EpisodeSummary(*columns),
            self._ppo.payload(numbers, TelemetryLevel.NORMAL, host),
            steps,
            seconds=1.0,
        )


def _copies(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in tensors.items()}


@contextmanager
def _batches_changed_by(change: Callable[[RolloutBatch], RolloutBatch]) -> Iterator[None]:
    """Change every training batch meanwhile."""
    make_batch = ppo_update.make_batch
    ppo_update.make_batch = lambda *arguments: change(make_batch(*arguments))
    try:
        yield
    finally:
        ppo_update.make_batch = make_batch


FAULTS = (
    Fault(
        name="learning rate × 100",
        words="the learning rate is 100 times larger",
        rules=("large_updates", "joint_ratio_explosion"),
        settings={"learning_rate": 0.15},
        updates=7,
    ),
    Fault(
        name="no entropy bonus",
        words="the entropy coefficient is 0, and every head almost always takes its first choice",
        rules=("policy_collapse",),
        settings={"entropy_coefficient": 0.0},
        damage=prefer_the_first(8.0),
        updates=16,
    ),
    Fault(
        name="loud head",
        words="the logits of the blueprint head are multiplied by 1,000, and their gradient is not",
        rules=("head_collapse", "ratio_collapse"),
        damage=scale_logits("blueprint", 1000.0),
        updates=7,
    ),
    Fault(
        name="gradients × 1000",
        words="all gradients are multiplied by 1,000",
        rules=("exploding_gradient",),
        damage=scale_gradients(1000.0),
        begins=10,
        updates=13,
    ),
    Fault(
        name="gradients × 1e-9",
        words="all gradients are multiplied by a billionth",
        rules=("vanishing_gradient",),
        damage=scale_gradients(1e-9),
        updates=7,
    ),
    Fault(
        name="constant LSTM",
        words="all weights of the LSTM are 0 and get no gradient",
        rules=("lstm_vanishing",),
        begins=1,
        damage=sets_lstm(0.0, 0.0, 0.0, 0.0),
        updates=4,
    ),
    Fault(
        name="summing LSTM",
        words="the cell of the LSTM adds up 1 in every step, and its weights get no gradient",
        rules=("lstm_explosion",),
        damage=sets_lstm(2.0, 20.0, 20.0, 0.0),
        updates=6,
    ),
    Fault(
        name="saturated LSTM",
        words="the gates of the LSTM are nearly open or closed whatever its input is",
        rules=("lstm_saturation",),
        damage=sets_lstm(5.0, -5.0, 1.0, 5.0),
        updates=7,
    ),
    Fault(
        name="acting as another policy",
        words="in rollouts, but not in training, the logit of one blueprint is larger by 5",
        rules=("stale_log_probs", "ratio_explosion", "large_updates"),
        damage=acts_as_another("blueprint", 5.0),
        updates=7,
    ),
    Fault(
        name="frozen head",
        words="no gradient reaches the logits of the blueprint head",
        rules=("head_frozen",),
        damage=freeze_rows(rows_of("blueprint")),
        updates=7,
    ),
    Fault(
        name="learning rate × 1e-6",
        words="the learning rate is a million times smaller",
        rules=("policy_frozen",),
        settings={"learning_rate": 1.5e-9},
        updates=9,
    ),
    Fault(
        name="rewards × 1000",
        words="all rewards are multiplied by 1,000",
        rules=("value_loss_explosion",),
        rewards=lambda rewards: rewards.mul_(1000.0),
        begins=10,
        updates=12,
    ),
    Fault(
        name="NaN reward",
        words="one reward of every rollout is NaN",
        rules=("rewards_not_finite", "steps_skipped"),
        rewards=nan_at,
        updates=6,
    ),
    Fault(
        name="NaN gradient",
        words="the gradient of one layer is NaN",
        rules=("gradient_not_finite", "steps_skipped"),
        damage=nan_gradients,
        updates=6,
    ),
    Fault(
        name="huge critic",
        words="the critic's weights are 1e38, so that its loss overflows",
        rules=("loss_not_finite",),
        damage=huge_critic,
        updates=5,
    ),
    Fault(
        name="frozen critic",
        words="the value coefficient is 0 from the first update on",
        rules=("critic_untrained",),
        settings={"value_coefficient": 0.0},
        begins=1,
        updates=4,
    ),
    Fault(
        name="random critic",
        words="the critic has large random weights and gets no gradient",
        rules=("critic_not_learning",),
        damage=random_critic,
        updates=10,
    ),
    Fault(
        name="constant critic",
        words="the critic's weights are set to 0 and get no gradient",
        rules=("critic_untrained", "value_collapse"),
        damage=constant_critic,
        updates=14,
    ),
    Fault(
        name="no rewards",
        words="all rewards are 0",
        rules=("no_reward_signal",),
        rewards=lambda rewards: rewards.zero_(),
        updates=7,
    ),
    Fault(
        name="costly steps",
        words="every step costs 3 more",
        rules=("return_collapse", "value_loss_explosion"),
        rewards=lambda rewards: rewards.sub_(3.0),
        begins=12,
        updates=16,
    ),
    Fault(
        name="noisy old log-probabilities",
        words="the learner's old log-probabilities have noise of deviation 0.1",
        rules=("stale_log_probs",),
        stored=noise(0.1),
        updates=4,
    ),
    Fault(
        name="inexact old log-probabilities",
        words="the learner's old log-probabilities have noise of deviation 0.001",
        rules=("inexact_log_probs",),
        stored=noise(1e-3),
        updates=4,
    ),
    Fault(
        name="recurrent state dropped",
        words="the policy forgets its recurrent state where it acts, and not where it is trained",
        rules=("stale_log_probs",),
        damage=forgetful,
        updates=4,
    ),
    Fault(
        name="late rewards",
        words="the learner has each reward eight steps late",
        rules=("rewards_altered",),
        stored=late_rewards,
        updates=4,
    ),
    Fault(
        name="shuffled advantages",
        words="advantages belong to other steps",
        rules=("advantages_wrong",),
        gathered=shuffled,
        updates=4,
    ),
    Fault(
        name="negated advantages",
        words="advantages have the opposite sign",
        rules=("advantages_wrong",),
        gathered=lambda batch: batch._replace(advantages=-batch.advantages),
        updates=4,
    ),
    Fault(
        name="reversed policy loss",
        words="the gradient that reaches the logits has the opposite sign",
        rules=("advantage_sign",),
        damage=reverse_the_loss,
        updates=8,
    ),
    Fault(
        name="target KL 1e-6",
        words="the target KL is a millionth",
        rules=("early_stop",),
        settings={"target_kl": 1e-6},
        updates=9,
    ),
)
"""Every rule finds at least one of them."""
