"""Faults of real trainings: a table of them, and short runs into which they are injected.

The product does not know about them: a fault is a setting, a change of the policy or its gradients, or a
change of the rewards. A run is healthy before the update at which its fault begins.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch

from esper_schemas.events import Event
from esper_schemas.heads import HEAD_SIZES, HEADS
from esper_schemas.metrics.metric import TelemetryLevel
from esper_trainer.config import TrainingConfig, derived_seed
from esper_trainer.device.host_transfer import HostCopy
from esper_trainer.environments.morph.environment import MorphEnvironment
from esper_trainer.environments.morph.scripted_baselines import run_baseline
from esper_trainer.learner.ppo_update import PPO
from esper_trainer.measure.packed_metrics import unpack_metrics
from esper_trainer.model.action_layout import VALUE_ROW, action_layout
from esper_trainer.model.policy import PolicyOutput, Tamiyo
from esper_trainer.ppo.rollout_collector import RolloutCollector
from esper_trainer.telemetry.episode_summary import EpisodeSummary, episode_summary
from esper_trainer.telemetry.training_events import run_started, update_events

DEVICE = torch.device("cpu")


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Something that goes wrong from update `begins` on, and the rules that have to find it.

    `settings` replace those of the run, `damage` is called once with the policy, and `rewards` is called with
    the rewards [T, N] of every rollout, which it changes in place. A run of `updates` updates is long enough
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


def faulty_run(fault: Fault | None, config: TrainingConfig) -> Iterator[Event]:
    """The events of a run of `config.episodes` updates with a fault, or without one if `fault` is None."""
    baseline = run_baseline("wait", config.environments, config.size, config.seed, DEVICE)
    yield run_started(config, config.environments, baseline.mean_return)
    learner = _Learner(config)
    for update in range(1, config.episodes + 1):
        if fault is not None and update == fault.begins:
            learner.break_by(fault)
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
        self._ppo = self._new_ppo()

    def _new_ppo(self) -> PPO:
        return PPO(self._policy, self._constants, self._environment.action_masks().choices, self._config)

    def break_by(self, fault: Fault) -> None:
        """Inject a fault into all further updates."""
        if fault.settings:
            self._config = replace(self._config, **fault.settings)
            self._ppo = self._new_ppo()
        if fault.damage:
            fault.damage(self._policy)
        self._rewards = fault.rewards or self._rewards

    def update(self, update: int) -> Iterator[Event]:
        """One episode of every environment and one PPO update, as events."""
        collected = self._collector.collect(between_steps=lambda: None)
        self._rewards(collected.transitions.rewards)
        row = self._ppo.update(collected.transitions)
        numbers, *columns = HostCopy((row, *episode_summary(collected))).wait()
        host = {
            "learning_rate": self._config.learning_rate,
            "entropy_coefficient": self._config.entropy_coefficient,
            "update_time_ms": 1.0,
        }
        steps = self._config.environments * self._config.size.horizon
        yield from update_events(
            update,
            EpisodeSummary(*columns),
            unpack_metrics(numbers, TelemetryLevel.NORMAL, host),
            steps,
            seconds=1.0,
        )


def rows_of(head: str) -> slice:
    """The rows of a head in the output layer."""
    first = sum(HEAD_SIZES[earlier] for earlier in HEADS[: HEADS.index(head)])
    return slice(first, first + HEAD_SIZES[head])


def freeze_rows(rows: slice) -> Callable[[Tamiyo], None]:
    """No gradient reaches these rows of the output layer."""

    def damage(policy: Tamiyo) -> None:
        def without(gradient: torch.Tensor) -> torch.Tensor:
            gradient = gradient.clone()
            gradient[rows] = 0.0
            return gradient

        policy.output.weight.register_hook(without)
        policy.output.bias.register_hook(without)

    return damage


def _scale_logits(head: str, factor: float) -> Callable[[Tamiyo], None]:
    """Multiply the logits of a head, and with them the effect of every optimiser step on the head.

    The gradient is not multiplied, so that its norm stays normal.
    """

    def damage(policy: Tamiyo) -> None:
        def scaled(_: Any, __: Any, output: PolicyOutput) -> PolicyOutput:
            logits = output.logits.clone()
            logits[rows_of(head)] += ((factor - 1.0) * logits[rows_of(head)]).detach()
            return output._replace(logits=logits)

        policy.register_forward_hook(scaled)

    return damage


def _prefer_the_first(logit: float) -> Callable[[Tamiyo], None]:
    """Add a number to the logit of the first choice of every head."""

    def damage(policy: Tamiyo) -> None:
        with torch.no_grad():
            policy.output.bias[[rows_of(head).start for head in HEADS]] += logit

    return damage


def scale_gradients(factor: float) -> Callable[[Tamiyo], None]:
    """Multiply every gradient of the policy by a factor, before the optimiser sees it."""

    def damage(policy: Tamiyo) -> None:
        for parameter in policy.parameters():
            parameter.register_hook(lambda gradient: gradient * factor)

    return damage


def _nan_gradients(policy: Tamiyo) -> None:
    policy.lstm.weight_hh_l0.register_hook(lambda gradient: gradient * math.nan)


def _constant_critic(policy: Tamiyo) -> None:
    """Set the critic's weights to 0 and let no gradient reach them."""
    freeze_rows(slice(VALUE_ROW, None))(policy)
    _set_critic(policy, 0.0)


def _huge_critic(policy: Tamiyo) -> None:
    _set_critic(policy, 1e38)


def _set_critic(policy: Tamiyo, weight: float) -> None:
    with torch.no_grad():
        policy.output.weight[VALUE_ROW].fill_(weight)


def _random_critic(policy: Tamiyo) -> None:
    """Give the critic large random weights and let no gradient reach them."""
    freeze_rows(slice(VALUE_ROW, None))(policy)
    with torch.no_grad():
        policy.output.weight[VALUE_ROW].normal_(std=50.0, generator=torch.Generator().manual_seed(0))


def _nan_at(rewards: torch.Tensor) -> None:
    rewards[10, 0] = math.nan


FAULTS = (
    Fault(
        name="learning rate × 100",
        words="the learning rate is 100 times larger",
        rules=("large_updates",),
        settings={"learning_rate": 0.15},
        updates=7,
    ),
    Fault(
        name="no entropy bonus",
        words="the entropy coefficient is 0, and every head almost always takes its first choice",
        rules=("policy_collapse",),
        settings={"entropy_coefficient": 0.0},
        damage=_prefer_the_first(8.0),
        updates=7,
    ),
    Fault(
        name="loud head",
        words="the logits of the blueprint head are multiplied by 1,000, and their gradient is not",
        rules=("head_collapse", "ratio_explosion"),
        damage=_scale_logits("blueprint", 1000.0),
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
        rewards=_nan_at,
        updates=6,
    ),
    Fault(
        name="NaN gradient",
        words="the gradient of one layer is NaN",
        rules=("gradient_not_finite", "steps_skipped"),
        damage=_nan_gradients,
        updates=6,
    ),
    Fault(
        name="huge critic",
        words="the critic's weights are 1e38, so that its loss overflows",
        rules=("loss_not_finite",),
        damage=_huge_critic,
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
        damage=_random_critic,
        updates=8,
    ),
    Fault(
        name="constant critic",
        words="the critic's weights are set to 0 and get no gradient",
        rules=("value_collapse",),
        damage=_constant_critic,
        updates=7,
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
        name="target KL 1e-6",
        words="the target KL is a millionth",
        rules=("early_stop",),
        settings={"target_kl": 1e-6},
        updates=9,
    ),
)
"""Every rule finds at least one of them."""
