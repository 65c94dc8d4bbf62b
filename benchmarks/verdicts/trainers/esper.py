"""The project's own trainer, made of the classes that it consists of, on its own task and preset lite."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from benchmarks.verdicts.identities import Array, correlation, initial_policy, reward_checksum
from benchmarks.verdicts.recorder import Session
from msgspec import structs
from torch import Tensor

from esper_schemas.events import Event
from esper_schemas.metrics.metric import TelemetryLevel
from esper_trainer.config import TrainingConfig
from esper_trainer.device.host_transfer import HostCopy
from esper_trainer.environments.morph.scripted_baselines import run_baseline
from esper_trainer.learner import ppo_update
from esper_trainer.learner.learner import Learner
from esper_trainer.ppo.batch import RolloutBatch, StepCounts, Targets, compute_targets
from esper_trainer.ppo.coefficient_schedules import ScheduledCoefficients
from esper_trainer.ppo.rollout_buffer import Transitions
from esper_trainer.telemetry.episode_summary import EpisodeSummary, episode_summary
from esper_trainer.telemetry.training_events import run_started, update_events

DEVICE = torch.device("cpu")
ENVIRONMENTS = 4


def same(value: Any) -> Any:
    """What a place does without a fault."""
    return value


class EsperTraining:
    """A training with the product's learner; what has no underscore is a place for a fault.

    rewarded: rewards [T, N] where the environment returns them, changed in place. stored: the same for the
    rollout store, after the summary of the episodes. targets, gathered: advantages and batch of an update.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self.config = TrainingConfig(
            environments=ENVIRONMENTS, hidden_size=32, threads=1, seed=session.base.seed, episodes=1000
        )
        self.learner = Learner(self.config, DEVICE)
        self.ppo, self.policy = self.learner.ppo, self.learner._policy
        self.learning_rate, self.entropy_coefficient = (
            self.config.learning_rate,
            self.config.entropy_coefficient,
        )
        self.rewarded: Callable[[Tensor], object] = same
        self.stored: Callable[[Transitions], object] = same
        self.targets: Callable[[Targets], Targets] = same
        self.gathered: Callable[[RolloutBatch], RolloutBatch] = same
        self._checks: dict[str, float] = {}
        self._first: tuple[RolloutBatch, Array] | None = None
        self._loss, self._make_batch = self.ppo.loss, ppo_update.make_batch
        self.ppo.loss = self._loss_with_checks  # type: ignore[method-assign]
        ppo_update.compute_targets = self._compute_targets
        ppo_update.make_batch = self._make_damaged_batch

    def train(self) -> None:
        """Train until the session ends it."""
        baseline = run_baseline("wait", ENVIRONMENTS, self.config.size, self.config.seed, DEVICE)
        started = run_started(self.config, ENVIRONMENTS, baseline.mean_return)
        telemetry = self._session.telemetry(structs.replace(started, host="", pid=None))
        update = 1
        while True:
            self._session.begin_update(update)
            for event in self._update(update):
                telemetry.emit(event)
            update += 1

    def _update(self, update: int) -> Iterator[Event]:
        collected = self.learner.collector.collect(between_steps=lambda: None)
        rewards = collected.transitions.rewards
        self._session.true_return(float(rewards.sum(0).mean()))
        self.rewarded(rewards)
        summary = HostCopy(tuple(column.clone() for column in episode_summary(collected))).wait()
        self._truth = rewards.clone()
        self._true_targets = compute_targets(collected.transitions, self.config.gamma, self.config.gae_lambda)
        self.stored(collected.transitions)
        self._checks = reward_checksum(rewards.numpy(), self._truth.numpy())
        self._first = None
        self.ppo.set_coefficients(ScheduledCoefficients(self.learning_rate, self.entropy_coefficient))
        row = self.ppo.update(collected.transitions)
        host = {
            "learning_rate": self.learning_rate,
            "entropy_coefficient": self.entropy_coefficient,
            "update_time_ms": 1.0,
        }
        payload = self.ppo.payload(HostCopy((row,)).wait()[0], TelemetryLevel.NORMAL, host)
        payload = structs.replace(payload, scalars=self._checks | self._after())
        steps = ENVIRONMENTS * self.config.size.horizon
        yield from update_events(update, EpisodeSummary(*summary), payload, steps, seconds=1.0)

    def _compute_targets(self, rollout: Transitions, gamma: float, gae_lambda: float) -> Targets:
        return self.targets(compute_targets(rollout, gamma, gae_lambda))

    def _make_damaged_batch(self, *arguments: Any) -> RolloutBatch:
        rollout, _, choices, layout, _ = arguments
        batch = self.gathered(self._make_batch(*arguments))
        true = self._make_batch(rollout, self._true_targets, choices, layout)
        difference = (batch.advantages - true.advantages).abs().max()
        self._checks["gae_residual"] = float(difference)  # both have a deviation of 1
        self._true_advantages = true.advantages.flatten()
        return batch

    def _loss_with_checks(self, batch: RolloutBatch, step_counts: StepCounts | None = None) -> Any:
        loss, evaluation = self._loss(batch, step_counts)
        if self._first is None:
            old = batch.old_log_probs[batch.relevance > 0]
            new = evaluation.log_probs[batch.relevance > 0]
            self._first = (batch, old.numpy())
            self._checks |= initial_policy(new.numpy(), old.numpy())
        return loss, evaluation

    def _after(self) -> dict[str, float]:
        """What the update did to the policy, per relevant choice."""
        assert self._first is not None
        batch, _ = self._first
        with torch.no_grad():
            _, evaluation = self._loss(batch)
        relevant = batch.relevance > 0
        log_ratios = evaluation.log_ratios[relevant].double().numpy()
        ratios = np.exp(log_ratios)
        joint = (evaluation.log_ratios * batch.relevance).sum(0).double().numpy()
        advantages = self._true_advantages.double().numpy()
        return {
            "kl_final": float((ratios - 1 - log_ratios).mean()),
            "clip_fraction_final": float((np.abs(ratios - 1) > self.config.clip_range).mean()),
            "ratio_max_final": float(ratios.max()),
            "advantage_correlation": correlation(joint, advantages),
        }


def train(session: Session) -> None:
    """Train as the session says."""
    from benchmarks.verdicts.trainers.esper_faults import inject

    training = EsperTraining(session)
    session.inject = lambda fault: inject(training, fault, session.base.place)
    training.train()
