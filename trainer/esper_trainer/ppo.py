"""The PPO update: epochs over one rollout, without a single host read.

The target-KL stop and the gate against what is not finite are tensors that reach the optimiser as its
`found_inf`: a step that must not be is computed and then not taken. The result is bit-identical to a
loop that breaks on the host.
"""

import torch
from torch import Tensor

from esper_trainer.batch import Batch, moments, prepare, targets
from esper_trainer.buffer import Transitions
from esper_trainer.config import TrainingConfig
from esper_trainer.distributions import Legal, evaluate
from esper_trainer.layout import Layout
from esper_trainer.measurements import measure
from esper_trainer.optimiser import Optimiser
from esper_trainer.policy import Tamiyo
from esper_trainer.row import pack_row
from esper_trainer.schedule import Rates
from esper_trainer.seeds import derived_seed
from esper_trainer.statistics import Evaluation, extremes, kl_divergence, sums
from esper_trainer.surrogate import (
    clipped_surrogate,
    entropy_bonus,
    log_ratio,
    policy_loss,
    squared_error,
    value_loss,
)
from esper_trainer.totals import RunningTotals
from esper_trainer.value_normalisation import normalise

STOP_FACTOR = 1.5
"""An update stops where the KL divergence has passed the target by this factor (Spinning Up)."""


class PPO:
    """Improves a policy from rollouts.

    choices: bool [8, 13], the choices that each head has at all.
    """

    def __init__(self, policy: Tamiyo, layout: Layout, choices: Tensor, config: TrainingConfig) -> None:
        self._policy, self._layout, self._choices, self._config = policy, layout, choices, config
        self._device = choices.device
        self.generator = torch.Generator(self._device).manual_seed(derived_seed(config.seed, "minibatches"))
        self._kl_limit = STOP_FACTOR * config.target_kl if config.target_kl else torch.inf
        self._entropy_coefficient = torch.tensor(config.entropy_coefficient, device=self._device)
        self.optimiser = Optimiser(
            policy, layout, config.learning_rate, config.adam_epsilon, config.max_grad_norm
        )

    def use(self, rates: Rates) -> None:
        """Use these rates from the next update on."""
        self.optimiser.set_learning_rate(rates.learning_rate)
        self._entropy_coefficient.fill_(rates.entropy_coefficient)

    def update(self, rollout: Transitions) -> Tensor:
        """Learn from a rollout; returns the packed telemetry row, on the device."""
        with torch.no_grad():
            goals = targets(rollout, self._config.gamma, self._config.gae_lambda)
            if self._config.value_normalisation == "popart":
                normalise(self._policy, moments(goals.returns, goals.alive))
            batch = prepare(rollout, goals, self._choices, self._layout)
        totals, stopped = RunningTotals(self._device), self._false()
        for _ in range(self._config.epochs):
            for part in self._minibatches(batch):
                stopped = self._learn(part, totals, stopped)
            totals.epoch_ended(self._config.minibatches)
        return pack_row(measure(totals.read(), goals, self._layout))

    def loss(self, batch: Batch) -> tuple[Tensor, Evaluation]:
        """What a step descends, 0-d, and what it was made of; of a flat batch."""
        config = self._config
        output = self._policy(batch.observations)
        log_probs, entropies = evaluate(
            output.logits, Legal(batch.allowed, batch.penalty), batch.actions, self._layout
        )
        log_ratios = log_ratio(log_probs, batch.old_log_probs)
        ratios = log_ratios.exp()
        surrogate = clipped_surrogate(ratios, batch.advantages, config.clip_range)
        errors = squared_error(output.values, batch.old_values, batch.returns, config.value_clip)
        bonus = entropy_bonus(entropies, batch.availability, self._layout.entropy_multipliers)
        loss = (
            policy_loss(surrogate, batch.relevance)
            + config.value_coefficient * self._value_weight(value_loss(errors, batch.alive))
            - self._entropy_coefficient * bonus
        )
        tensors = (log_probs, entropies, log_ratios, ratios, surrogate, errors)
        return loss, Evaluation(*(tensor.detach() for tensor in tensors))

    def _value_weight(self, loss: Tensor) -> Tensor:
        """The value loss in the units of the critic's own output."""
        normalised = self._config.value_normalisation == "popart"
        return loss / self._policy.value_std.square() if normalised else loss

    def _minibatches(self, batch: Batch) -> list[Batch]:
        """Parts of whole environments, drawn anew for every epoch."""
        if self._config.minibatches == 1:
            return [batch]
        keys = torch.rand(batch.alive.shape[-1], generator=self.generator, device=self._device)
        return [batch.of(part) for part in keys.argsort().chunk(self._config.minibatches)]

    def _learn(self, batch: Batch, totals: RunningTotals, stopped: Tensor) -> Tensor:
        """One optimiser step, or none if the policy has moved far enough; whether it has."""
        flat = batch.flat()
        loss, evaluation = self.loss(flat)
        with torch.no_grad():
            summed = sums(evaluation, flat, self._config.clip_range)
            totals.evaluated(summed, extremes(evaluation, flat), stopped)
            stopped = stopped.logical_or(kl_divergence(summed) > self._kl_limit)
        totals.stepped(self.optimiser.step(loss, stopped), stopped)
        return stopped

    def _false(self) -> Tensor:
        return torch.zeros((), dtype=torch.bool, device=self._device)
