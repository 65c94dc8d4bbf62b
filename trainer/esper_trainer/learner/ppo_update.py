"""The PPO update: several epochs over one rollout, without a single host read.

The target-KL stop and the check for values that are not finite are tensors that reach the optimiser as its
`found_inf`: a step that must be skipped is computed but not applied. The result is bit-identical to a loop
that breaks on the host.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from esper_schemas.metrics.metric import TelemetryLevel
from esper_schemas.payload import PPOUpdatePayload
from esper_trainer.config import TrainingConfig, derived_seed
from esper_trainer.device.cuda_graphs import Warn, ignore_warning
from esper_trainer.device.host_transfer import pack, unpack
from esper_trainer.learner.pointwise_compilation import EAGER, PointwiseFunctions, compile_pointwise
from esper_trainer.measure.critic_metrics import rollout_statistics
from esper_trainer.measure.debug_diagnostics import (
    DebugDiagnostics,
    WorstTransitions,
    debug_diagnostics,
    worst_transitions,
)
from esper_trainer.measure.final_policy import final_policy
from esper_trainer.measure.gradient_collector import RowGradients, collect_gradients
from esper_trainer.measure.leading_signs import (
    GreedyChoices,
    greedy_choices,
    noise_scale,
    policy_churn,
    trunk_sample,
)
from esper_trainer.measure.lstm_metrics import LSTMStatistics, lstm_statistics
from esper_trainer.measure.measurements import (
    Measurements,
    Structure,
    losses,
    pack_measurements,
)
from esper_trainer.measure.minibatch_statistics import MinibatchStatistics, PolicyEvaluation
from esper_trainer.measure.packed_metrics import MeasuredValue, pack_final, payload_of
from esper_trainer.measure.running_totals import RunningTotals
from esper_trainer.measure.self_checks import FirstMinibatch, RewardSource, compare_rewards
from esper_trainer.measure.update_metrics import update_metrics
from esper_trainer.model.action_layout import ActionLayout, action_layout
from esper_trainer.model.distributions import evaluate, mask_penalties
from esper_trainer.model.policy import LSTMStep, PolicyOutput, Tamiyo, TrunkOutput
from esper_trainer.ppo.batch import (
    Moments,
    RolloutBatch,
    StepCounts,
    compute_targets,
    count_steps,
    make_batch,
    moments,
    recorded_choices,
)
from esper_trainer.ppo.coefficient_schedules import ScheduledCoefficients
from esper_trainer.ppo.combined_loss import LossCoefficients
from esper_trainer.ppo.policy_optimiser import PolicyOptimiser
from esper_trainer.ppo.rollout_buffer import Transitions
from esper_trainer.ppo.value_normalisation import update_normalisation
from esper_trainer.ranks.process_group import ALONE, ProcessGroup

STOP_FACTOR = 1.5
"""An update stops once the KL divergence exceeds the target by this factor (OpenAI Spinning Up)."""


class MinibatchStep(NamedTuple):
    """What a step leaves: whether the update has stopped (bool, 0-d), and its evaluation before the step.

    lstm: measured in the first step of an update, with the policy that collected the rollout.
    """

    stopped: Tensor
    evaluation: PolicyEvaluation
    statistics: MinibatchStatistics
    lstm: LSTMStatistics | None


class Probe(NamedTuple):
    """A policy before its update: the noise of its gradient, and its choices in one half of a batch."""

    noise_scale: MeasuredValue
    half: RolloutBatch
    choices: GreedyChoices


class PPO:
    """Improves a policy from rollouts.

    choices: bool [8, 13], the static mask of the choices that each head offers. warn: called with the reason
    if compilation fails.
    """

    def __init__(
        self,
        policy: Tamiyo,
        layout: ActionLayout,
        choices: Tensor,
        config: TrainingConfig,
        group: ProcessGroup = ALONE,
        warn: Warn = ignore_warning,
    ) -> None:
        self._group = group
        self._pointwise = compile_pointwise(warn) if config.compile else EAGER
        self._policy, self._layout, self._choices, self._config = policy, layout, choices, config
        self._device = choices.device
        self.generator = torch.Generator(self._device).manual_seed(derived_seed(config.seed, "minibatches"))
        self._kl_limit = STOP_FACTOR * config.target_kl if config.target_kl else torch.inf
        self._entropy_coefficient = torch.tensor(config.entropy_coefficient, device=self._device)
        self.optimiser = PolicyOptimiser(
            policy, layout, config.learning_rate, config.adam_epsilon, config.max_grad_norm, group
        )
        layers, cpu = self.optimiser.layers, torch.device("cpu")
        self._host_layout = action_layout(cpu)
        self._host_layers = layers._replace(sizes=layers.sizes.to(cpu), lstm=layers.lstm.to(cpu))
        self._structures: dict[tuple[TelemetryLevel, int], Structure] = {}

    def set_coefficients(self, coefficients: ScheduledCoefficients) -> None:
        """Use these coefficients from the next update on."""
        self.optimiser.set_learning_rate(coefficients.learning_rate)
        self._entropy_coefficient.fill_(coefficients.entropy_coefficient)

    def update(
        self,
        rollout: Transitions,
        level: TelemetryLevel = TelemetryLevel.NORMAL,
        environment_rewards: Tensor | None = None,
    ) -> Tensor:
        """Train on a rollout; return packed measurements of a telemetry level, on the device.

        environment_rewards [T, N]: the rewards where the environment returned them, with which those of the
        rollout and the advantages are compared.
        """
        config, detailed = self._config, level >= TelemetryLevel.NORMAL
        with torch.no_grad():
            targets = compute_targets(rollout, config.gamma, config.gae_lambda)
            if config.value_normalisation == "popart":
                update_normalisation(self._policy, moments(targets.returns, targets.alive, self._group))
            normalisation = moments(targets.advantages, targets.alive, self._group)
            batch = make_batch(rollout, targets, self._choices, self._layout, normalisation)
        totals, stopped = RunningTotals(self._device, len(self.optimiser.layers.names)), self._false()
        measured: dict[str, Any] = {}
        if level >= TelemetryLevel.MINIMAL:
            log_probs = _joint_log_probs(batch) if detailed else None
            measured["rollout"] = rollout_statistics(targets, log_probs)
        probe = self._probe(batch) if level >= TelemetryLevel.DEBUG else None
        epochs = [self._minibatches(batch) for _ in range(config.epochs)]
        for parts in self._with_step_counts(batch, epochs):
            for part, step_counts in parts:
                minibatch = _part(batch, part)
                examined = detailed and "first" not in measured
                step = self._minibatch_step(minibatch, step_counts, totals, stopped, detailed, examined)
                stopped = step.stopped
                if examined:
                    source = self._reward_source(environment_rewards, normalisation)
                    measured |= _examined(minibatch, step, part, rollout.rewards, source)
            totals.end_epoch(config.minibatches)
        if probe is not None:
            measured |= self._compare(probe)
        with torch.no_grad():
            read = totals.read()
            measurements = Measurements(losses(read.sums), read, **measured)
            packed = pack_measurements(measurements)
            self._structures[level, len(packed)] = Structure(measurements)
            return packed

    def payload(self, packed: Tensor, level: TelemetryLevel, host: Mapping[str, float]) -> PPOUpdatePayload:
        """The metrics of an update from its packed measurements on the host, with the `HOST_FIELDS`.

        The level is one at which this object has made an update.
        """
        measurements = self._structures[level, len(packed)].unpack(packed)
        metrics = update_metrics(measurements, self._host_layout, self._host_layers, level)
        return payload_of(metrics, level, host)

    def _probe(self, batch: RolloutBatch) -> Probe:
        """Examine the policy on two halves of the environments before an update: about one epoch.

        One environment alone has no second half, and its noise is not measured.
        """
        environments = torch.arange(batch.alive.shape[-1], device=self._device)
        halves = [
            batch.select(part).flatten() for part in (environments[::2], environments[1::2]) if len(part)
        ]
        (first, output), *others = map(self._half_gradient, halves)
        with torch.no_grad():
            choices = greedy_choices(output.logits, halves[0])
            steps = batch.alive.sum()
            noise = noise_scale(first, others[0][0], steps) if others else MeasuredValue(steps, self._false())
            return Probe(noise, halves[0], choices)

    def _half_gradient(self, half: RolloutBatch) -> tuple[tuple[Tensor, ...], PolicyOutput]:
        output = self._policy(half.observations)
        loss, _ = self._evaluate(output, half, count_steps(half), EAGER)
        return torch.autograd.grad(loss, list(self._policy.parameters()), materialize_grads=True), output

    @torch.no_grad()
    def _compare(self, probe: Probe) -> dict[str, MeasuredValue]:
        """Signs of the policy after an update, against itself before."""
        logits = self._policy(probe.half.observations).logits
        churn = policy_churn(probe.choices, greedy_choices(logits, probe.half))
        return {"gradient_noise_scale": probe.noise_scale, "policy_churn": churn}

    @torch.no_grad()
    def measure_final(self, rollout: Transitions) -> Tensor:
        """Evaluate the present policy on a rollout; return the packed `FINAL_FIELDS`, on the device."""
        alive = rollout.alive.float().flatten()
        recorded = recorded_choices(rollout, self._choices, self._layout, alive)
        logits = self._policy(rollout.observations).logits
        penalty = mask_penalties(recorded.mask, self._layout)
        log_probs, _ = evaluate(logits, penalty, recorded.actions, self._layout)
        return pack_final(final_policy(log_probs, recorded, alive, self._config.clip_range))

    def _reward_source(self, rewards: Tensor | None, normalisation: Moments) -> RewardSource | None:
        if rewards is None:
            return None
        return RewardSource(rewards, normalisation, self._config.gamma, self._config.gae_lambda)

    def diagnose(self, rollout: Transitions) -> DebugDiagnostics:
        """Evaluate the present policy on a rollout; changes nothing, and costs about one epoch."""
        flat = self._flat_batch(rollout)
        output = self._policy(flat.observations)
        loss, evaluation = self._evaluate(output, flat, count_steps(flat), EAGER)
        logits, values, *parameters = torch.autograd.grad(
            loss, [output.logits, output.values, *self._policy.parameters()]
        )
        with torch.no_grad():
            rows = RowGradients(logits, values * self._policy.value_std)
            bounds, weight = self.optimiser.layers.magnitude_bounds, self._policy.output.weight
            gradients = collect_gradients(tuple(parameters), bounds, rows, weight, self._layout)
            return debug_diagnostics(evaluation, flat, gradients)

    @torch.no_grad()
    def worst_transitions(self, rollout: Transitions) -> WorstTransitions:
        """Find the transitions of a rollout that the present policy's ratios moved furthest: one forward
        pass."""
        flat = self._flat_batch(rollout)
        _, evaluation = self._evaluate(self._policy(flat.observations), flat, count_steps(flat), EAGER)
        return worst_transitions(evaluation, flat)

    @torch.no_grad()
    def _flat_batch(self, rollout: Transitions) -> RolloutBatch:
        """The flat batch of a rollout of this process."""
        targets = compute_targets(rollout, self._config.gamma, self._config.gae_lambda)
        return make_batch(rollout, targets, self._choices, self._layout).flatten()

    def loss(
        self, batch: RolloutBatch, step_counts: StepCounts | None = None
    ) -> tuple[Tensor, PolicyEvaluation]:
        """The loss of a flat batch, 0-d, and its evaluation.

        step_counts: those of all processes; default: those of the batch.
        """
        output = self._policy(batch.observations)
        return self._evaluate(output, batch, step_counts or count_steps(batch), self._pointwise)

    def _evaluate(
        self,
        output: PolicyOutput,
        batch: RolloutBatch,
        step_counts: StepCounts,
        pointwise: PointwiseFunctions,
    ) -> tuple[Tensor, PolicyEvaluation]:
        log_probs, entropies, combined = pointwise.evaluate_loss(
            output.logits, output.values, batch, step_counts, self._loss_coefficients(), self._layout
        )
        last_step = LSTMStep(*(tensor.detach() for tensor in output.last_step))
        trunk = TrunkOutput(*(tensor.detach() for tensor in output.trunk))
        return combined.loss, PolicyEvaluation(log_probs, entropies, *combined[1:], last_step, trunk)

    def _loss_coefficients(self) -> LossCoefficients:
        """The coefficients; the value loss is measured in units of the critic's own output."""
        config = self._config
        return LossCoefficients(
            clip_range=config.clip_range,
            value_clip=config.value_clip,
            value_weight=config.value_coefficient / self._policy.value_std.square(),
            entropy_weight=self._entropy_coefficient,
            multipliers=self._layout.entropy_multipliers,
        )

    def _minibatches(self, batch: RolloutBatch) -> list[Tensor | None]:
        """Environment indices of each minibatch, drawn for every epoch; None stands for all environments."""
        if self._config.minibatches == 1:
            return [None]
        keys = torch.rand(batch.alive.shape[-1], generator=self.generator, device=self._device)
        return list(keys.argsort().chunk(self._config.minibatches))

    @torch.no_grad()
    def _with_step_counts(
        self, batch: RolloutBatch, epochs: list[list[Tensor | None]]
    ) -> list[list[tuple[Tensor | None, StepCounts | None]]]:
        """Minibatches with the step counts of all processes, which are summed once per update."""
        if self._group.world_size == 1:
            return [[(part, None) for part in parts] for parts in epochs]
        every = [pack(count_steps(_part(batch, part).flatten())) for parts in epochs for part in parts]
        summed = iter(self._group.sum_(torch.stack(every)))
        shapes = [count.shape for count in count_steps(batch.flatten())]
        return [[(part, StepCounts(*unpack(next(summed), shapes))) for part in parts] for parts in epochs]

    def _minibatch_step(
        self,
        batch: RolloutBatch,
        step_counts: StepCounts | None,
        totals: RunningTotals,
        stopped: Tensor,
        detailed: bool,
        first: bool,
    ) -> MinibatchStep:
        """Take one optimiser step, or skip it after the target-KL stop.

        first: whether the LSTM is measured.
        """
        flat = batch.flatten()
        loss, evaluation = self.loss(flat, step_counts)
        with torch.no_grad():
            statistics = self._pointwise.minibatch_statistics(
                evaluation, flat, self._config.clip_range, detailed=detailed
            )
            totals.add_evaluation(statistics, stopped)
            lstm = lstm_statistics(self._policy.lstm, evaluation.last_step) if first else None
        summed = statistics.sums
        divergence = self.optimiser.backward(loss, summed.kl.sum())
        choices = (step_counts.relevance if step_counts else summed.relevant).sum()
        stopped = stopped.logical_or(divergence / choices.clamp_min(1.0) > self._kl_limit)
        totals.add_step(self.optimiser.apply(stopped, detailed=detailed), stopped)
        return MinibatchStep(stopped, evaluation, statistics, lstm)

    def _false(self) -> Tensor:
        return torch.zeros((), dtype=torch.bool, device=self._device)


def _part(batch: RolloutBatch, environments: Tensor | None) -> RolloutBatch:
    return batch if environments is None else batch.select(environments)


@torch.no_grad()
def _joint_log_probs(batch: RolloutBatch) -> Tensor:
    """The log-probabilities of whole choices, [T, N], by the policy that made them."""
    return (batch.old_log_probs * batch.relevance).sum(0)


def _examined(
    batch: RolloutBatch,
    step: MinibatchStep,
    environments: Tensor | None,
    learner_rewards: Tensor,
    source: RewardSource | None,
) -> dict[str, Any]:
    """What is measured in the first minibatch alone."""
    compared = compare_rewards(batch, environments, learner_rewards, source) if source else None
    return {
        "first": FirstMinibatch(step.statistics.sums, step.statistics.extremes, compared),
        "lstm": step.lstm,
        "trunk": trunk_sample(step.evaluation.trunk, batch.alive.flatten()),
    }
