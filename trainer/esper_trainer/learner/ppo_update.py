"""The PPO update: epochs over one rollout, without a single host read.

The target-KL stop and the gate against what is not finite are tensors that reach the optimiser as its
`found_inf`: a step that must not be is computed and then not taken. The result is bit-identical to a
loop that breaks on the host.
"""

import torch
from torch import Tensor

from esper_schemas.metrics.metric import TelemetryLevel
from esper_trainer.config import TrainingConfig, derived_seed
from esper_trainer.device.cuda_graphs import Told, tell_nobody
from esper_trainer.device.host_transfer import pack, unpack
from esper_trainer.learner.pointwise_compilation import PLAIN, Tail, compiled
from esper_trainer.measure.debug_diagnostics import Examination, examine
from esper_trainer.measure.gradient_collector import RowGradients, collect_gradients
from esper_trainer.measure.lstm_metrics import memory_extremes, memory_sums
from esper_trainer.measure.minibatch_statistics import Evaluation, detail_extremes, detail_sums
from esper_trainer.measure.packed_metrics import pack_row
from esper_trainer.measure.running_totals import RunningTotals
from esper_trainer.measure.update_metrics import measure
from esper_trainer.model.action_layout import Layout
from esper_trainer.model.policy import Memory, Output, Tamiyo
from esper_trainer.ppo.batch import Batch, Counts, counts, moments, prepare, targets
from esper_trainer.ppo.coefficient_schedules import Rates
from esper_trainer.ppo.combined_loss import Terms
from esper_trainer.ppo.policy_optimiser import Optimiser
from esper_trainer.ppo.rollout_buffer import Transitions
from esper_trainer.ppo.value_normalisation import normalise
from esper_trainer.ranks.process_group import ALONE, Group

STOP_FACTOR = 1.5
"""An update stops where the KL divergence has passed the target by this factor (Spinning Up)."""


class PPO:
    """Improves a policy from rollouts.

    choices: bool [8, 13], the choices that each head has at all. told: hears why something that was to be
    compiled is not.
    """

    def __init__(
        self,
        policy: Tamiyo,
        layout: Layout,
        choices: Tensor,
        config: TrainingConfig,
        group: Group = ALONE,
        told: Told = tell_nobody,
    ) -> None:
        self._group = group
        self._tail = compiled(told) if config.compile else PLAIN
        self._policy, self._layout, self._choices, self._config = policy, layout, choices, config
        self._device = choices.device
        self.generator = torch.Generator(self._device).manual_seed(derived_seed(config.seed, "minibatches"))
        self._kl_limit = STOP_FACTOR * config.target_kl if config.target_kl else torch.inf
        self._entropy_coefficient = torch.tensor(config.entropy_coefficient, device=self._device)
        self.optimiser = Optimiser(
            policy, layout, config.learning_rate, config.adam_epsilon, config.max_grad_norm, group
        )

    def use(self, rates: Rates) -> None:
        """Use these rates from the next update on."""
        self.optimiser.set_learning_rate(rates.learning_rate)
        self._entropy_coefficient.fill_(rates.entropy_coefficient)

    def update(self, rollout: Transitions, level: TelemetryLevel = TelemetryLevel.NORMAL) -> Tensor:
        """Learn from a rollout; returns the packed telemetry row of a level, on the device."""
        detailed = level >= TelemetryLevel.NORMAL
        with torch.no_grad():
            goals = targets(rollout, self._config.gamma, self._config.gae_lambda)
            if self._config.value_normalisation == "popart":
                normalise(self._policy, moments(goals.returns, goals.alive, self._group))
            batch = prepare(rollout, goals, self._choices, self._layout, self._group)
        layers = self.optimiser.layers
        totals, stopped = RunningTotals(self._device, len(layers.names)), self._false()
        epochs = [self._minibatches(batch) for _ in range(self._config.epochs)]
        for epoch, parts in enumerate(self._counted(batch, epochs)):
            for part, counted in parts:
                stopped = self._learn(_part(batch, part), counted, totals, stopped, detailed, epoch == 0)
            totals.epoch_ended(self._config.minibatches)
        return pack_row(measure(totals.read(), goals, self._layout, layers, level), level)

    def examine(self, rollout: Transitions) -> Examination:
        """Hold the policy as it is now against a rollout; changes nothing, costs about one epoch."""
        with torch.no_grad():
            goals = targets(rollout, self._config.gamma, self._config.gae_lambda)
            flat = prepare(rollout, goals, self._choices, self._layout).flat()
        output = self._policy(flat.observations)
        loss, evaluation = self._loss_of(output, flat, counts(flat), PLAIN)
        logits, values, *parameters = torch.autograd.grad(
            loss, [output.logits, output.values, *self._policy.parameters()]
        )
        with torch.no_grad():
            rows = RowGradients(logits, values * self._policy.value_std)
            bounds, weight = self.optimiser.layers.magnitude_bounds, self._policy.output.weight
            gradients = collect_gradients(tuple(parameters), bounds, rows, weight, self._layout)
            return examine(evaluation, flat, gradients)

    def loss(self, batch: Batch, counted: Counts | None = None) -> tuple[Tensor, Evaluation]:
        """What a step descends, 0-d, and what it was made of; of a flat batch.

        counted: of all processes, if there are others.
        """
        output = self._policy(batch.observations)
        return self._loss_of(output, batch, counted or counts(batch), self._tail)

    def _loss_of(
        self, output: Output, batch: Batch, counted: Counts, tail: Tail
    ) -> tuple[Tensor, Evaluation]:
        log_probs, entropies, made = tail.judge(
            output.logits, output.values, batch, counted, self._terms(), self._layout
        )
        memory = Memory(*(tensor.detach() for tensor in output.memory))
        return made.loss, Evaluation(log_probs, entropies, *made[1:], memory)

    def _terms(self) -> Terms:
        """The value loss is weighed in the units of the critic's own output."""
        config = self._config
        return Terms(
            clip_range=config.clip_range,
            value_clip=config.value_clip,
            value_weight=config.value_coefficient / self._policy.value_std.square(),
            entropy_weight=self._entropy_coefficient,
            multipliers=self._layout.entropy_multipliers,
        )

    def _minibatches(self, batch: Batch) -> list[Tensor | None]:
        """The environments of each part, drawn anew for every epoch; None stands for all of them."""
        if self._config.minibatches == 1:
            return [None]
        keys = torch.rand(batch.alive.shape[-1], generator=self.generator, device=self._device)
        return list(keys.argsort().chunk(self._config.minibatches))

    @torch.no_grad()
    def _counted(
        self, batch: Batch, epochs: list[list[Tensor | None]]
    ) -> list[list[tuple[Tensor | None, Counts | None]]]:
        """Parts with the counts of all processes, which are summed once for the whole update."""
        if self._group.world_size == 1:
            return [[(part, None) for part in parts] for parts in epochs]
        every = [pack(counts(_part(batch, part).flat())) for parts in epochs for part in parts]
        summed = iter(self._group.sum_(torch.stack(every)))
        shapes = [count.shape for count in counts(batch.flat())]
        return [[(part, Counts(*unpack(next(summed), shapes))) for part in parts] for parts in epochs]

    def _learn(
        self,
        batch: Batch,
        counted: Counts | None,
        totals: RunningTotals,
        stopped: Tensor,
        detailed: bool,
        first: bool,
    ) -> Tensor:
        """One optimiser step, or none if the policy has moved far enough; whether it has.

        The LSTM is looked at in the first epoch alone, when it still is the one that played the rollout.
        """
        flat = batch.flat()
        loss, evaluation = self.loss(flat, counted)
        with torch.no_grad():
            summed, largest = self._tail.measure(evaluation, flat, self._config.clip_range)
            totals.evaluated(summed, largest, stopped)
            if detailed:
                totals.detailed(detail_sums(evaluation, flat), detail_extremes(evaluation, flat), stopped)
            if detailed and first:
                memory = evaluation.memory
                totals.remembered(memory_sums(self._policy.lstm, memory), memory_extremes(memory), stopped)
        divergence = self.optimiser.backward(loss, summed.kl.sum())
        choices = (counted.relevance if counted else summed.relevant).sum()
        stopped = stopped.logical_or(divergence / choices.clamp_min(1.0) > self._kl_limit)
        totals.stepped(self.optimiser.apply(stopped, detailed=detailed), stopped)
        return stopped

    def _false(self) -> Tensor:
        return torch.zeros((), dtype=torch.bool, device=self._device)


def _part(batch: Batch, environments: Tensor | None) -> Batch:
    return batch if environments is None else batch.of(environments)
