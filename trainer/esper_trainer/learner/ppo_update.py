"""The PPO update: several epochs over one rollout, without a single host read.

The target-KL stop and the check for values that are not finite are tensors that reach the optimiser as its
`found_inf`: a step that must be skipped is computed but not applied. The result is bit-identical to a loop
that breaks on the host.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from esper_schemas.metrics.metric import TelemetryLevel
from esper_trainer.config import TrainingConfig, derived_seed
from esper_trainer.device.cuda_graphs import Warn, ignore_warning
from esper_trainer.device.host_transfer import pack, unpack
from esper_trainer.learner.pointwise_compilation import EAGER, PointwiseFunctions, compile_pointwise
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
    Signs,
    feature_rank,
    greedy_choices,
    layer_signs,
    log_prob_advantage_covariance,
    noise_scale,
    policy_churn,
    sampled,
)
from esper_trainer.measure.lstm_metrics import lstm_extremes, lstm_sums
from esper_trainer.measure.minibatch_statistics import PolicyEvaluation, Sums, detail_extremes, detail_sums
from esper_trainer.measure.packed_metrics import MeasuredValue, pack_final, pack_metrics
from esper_trainer.measure.running_totals import RunningTotals
from esper_trainer.measure.self_checks import RewardSource, SelfChecks, self_checks
from esper_trainer.measure.update_metrics import update_metrics
from esper_trainer.model.action_layout import ActionLayout
from esper_trainer.model.distributions import evaluate, mask_penalties
from esper_trainer.model.policy import LSTMStep, PolicyOutput, Tamiyo
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
    """What a step leaves: whether the update has stopped (bool, 0-d), and its evaluation before the step."""

    stopped: Tensor
    evaluation: PolicyEvaluation
    sums: Sums


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
        """Train on a rollout; return packed metrics [2, F] of a telemetry level, on the device.

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
        layers = self.optimiser.layers
        totals, stopped = RunningTotals(self._device, len(layers.names)), self._false()
        checks: SelfChecks | None = None
        signs = self._signs(batch) if detailed else {}
        probe = self._probe(batch) if level >= TelemetryLevel.DEBUG else None
        epochs = [self._minibatches(batch) for _ in range(config.epochs)]
        for epoch, parts in enumerate(self._with_step_counts(batch, epochs)):
            for part, step_counts in parts:
                minibatch = _part(batch, part)
                step = self._minibatch_step(minibatch, step_counts, totals, stopped, detailed, epoch == 0)
                stopped = step.stopped
                if detailed and checks is None:
                    source = self._reward_source(environment_rewards, normalisation)
                    checks = self_checks(minibatch, step.evaluation, step.sums, part, rollout.rewards, source)
                if detailed and "feature_rank" not in signs:
                    signs["feature_rank"] = _feature_rank(step.evaluation, minibatch)
            totals.end_epoch(config.minibatches)
        if probe is not None:
            signs |= self._compare(probe)
        metrics = update_metrics(totals.read(), targets, self._layout, layers, level, checks, signs)
        return pack_metrics(metrics, level)

    @torch.no_grad()
    def _signs(self, batch: RolloutBatch) -> Signs:
        """Signs of the policy before an update, and of the batch."""
        return {
            **layer_signs(self._policy.features, batch.observations, batch.alive),
            "log_prob_advantage_covariance": log_prob_advantage_covariance(batch.flatten()),
        }

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
    def _compare(self, probe: Probe) -> Signs:
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
        hidden = output.hidden.detach()
        return combined.loss, PolicyEvaluation(log_probs, entropies, *combined[1:], last_step, hidden)

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

        The LSTM is measured in the first epoch only, while it is still the one that collected the rollout.
        """
        flat = batch.flatten()
        loss, evaluation = self.loss(flat, step_counts)
        with torch.no_grad():
            summed, largest = self._pointwise.minibatch_statistics(evaluation, flat, self._config.clip_range)
            totals.add_evaluation(summed, largest, stopped)
            if detailed:
                totals.add_details(detail_sums(evaluation, flat), detail_extremes(evaluation, flat), stopped)
            if detailed and first:
                last_step = evaluation.last_step
                totals.add_lstm(lstm_sums(self._policy.lstm, last_step), lstm_extremes(last_step), stopped)
        divergence = self.optimiser.backward(loss, summed.kl.sum())
        choices = (step_counts.relevance if step_counts else summed.relevant).sum()
        stopped = stopped.logical_or(divergence / choices.clamp_min(1.0) > self._kl_limit)
        totals.add_step(self.optimiser.apply(stopped, detailed=detailed), stopped)
        return MinibatchStep(stopped, evaluation, summed)

    def _false(self) -> Tensor:
        return torch.zeros((), dtype=torch.bool, device=self._device)


def _part(batch: RolloutBatch, environments: Tensor | None) -> RolloutBatch:
    return batch if environments is None else batch.select(environments)


@torch.no_grad()
def _feature_rank(evaluation: PolicyEvaluation, batch: RolloutBatch) -> MeasuredValue:
    """The effective rank of the trunk's output before a step."""
    return feature_rank(sampled(evaluation.hidden.flatten(0, 1)).float(), sampled(batch.alive.flatten()))
