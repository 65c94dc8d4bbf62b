"""The metrics of an update, computed from its totals on the device."""

from collections.abc import Mapping

import torch
from torch import Tensor

from esper_schemas.metrics.metric import TelemetryLevel
from esper_trainer.measure.critic_metrics import critic_details, explained_variance, rollout_statistics
from esper_trainer.measure.error_quantiles import error_quantiles
from esper_trainer.measure.lstm_metrics import GATES, LSTMExtremes, LSTMSums
from esper_trainer.measure.minibatch_statistics import ABSENT, Extremes, Sums, kl_divergence
from esper_trainer.measure.packed_metrics import MeasuredValue, UpdateMetrics, average, measured_value
from esper_trainer.measure.running_totals import GradientTotals, Totals
from esper_trainer.measure.self_checks import SelfChecks, self_check_metrics, unmeasured_checks
from esper_trainer.model.action_layout import ActionLayout
from esper_trainer.ppo.batch import Targets
from esper_trainer.ppo.policy_optimiser import LayerInfo


def update_metrics(
    totals: Totals,
    targets: Targets,
    layout: ActionLayout,
    layers: LayerInfo,
    level: TelemetryLevel,
    checks: SelfChecks | None = None,
    signs: Mapping[str, MeasuredValue] | None = None,
) -> UpdateMetrics:
    """All metrics of an update at a telemetry level; a level includes the metrics of lower ones.

    checks: those of the first minibatch, if they were made. signs: those that were measured with the policy
    and the batch.
    """
    fields = {**_losses(totals.sums), **_joint_extremes(totals.extremes), **_gradients(totals.gradients)}
    families = _head_ratios(totals)
    if level >= TelemetryLevel.MINIMAL:
        rollout = rollout_statistics(targets)
        fields |= {**_entropies(totals.sums, layout), **_trust_region(totals.sums)}
        fields["explained_variance"] = explained_variance(rollout)
    if level >= TelemetryLevel.NORMAL:
        fields |= {
            **critic_details(rollout),
            **_details(totals),
            **_layer_gradients(totals.gradients, layers),
            **self_check_metrics(checks or unmeasured_checks(totals.gradients.attempted), totals),
            **error_quantiles(targets),
            **(signs or {}),
        }
        families |= _head_means(totals.sums)
        families["grad_norm"] = average(totals.gradients.heads, totals.gradients.attempted)
    return UpdateMetrics(fields, families)


def _losses(sums: Sums) -> dict[str, MeasuredValue]:
    return {
        "policy_loss": measured_value(-average(sums.surrogate, sums.relevant).value.sum()),
        "value_loss": measured_value(0.5 * average(sums.squared_errors, sums.steps).value),
    }


def _entropies(sums: Sums, layout: ActionLayout) -> dict[str, MeasuredValue]:
    """Over the heads that were measured; others contribute 0."""
    entropies, measured = average(sums.entropy, sums.relevant)
    shares = (entropies / layout.max_entropies).sum()
    return {
        "entropy": MeasuredValue(entropies.sum(), measured.any()),
        "entropy_normalized": average(shares, measured.sum()),
    }


def _trust_region(sums: Sums) -> dict[str, MeasuredValue]:
    choices = sums.relevant.sum()
    clipped_above, clipped_below = sums.clipped_above.sum(), sums.clipped_below.sum()
    return {
        "kl_divergence": MeasuredValue(kl_divergence(sums), choices > 0),
        "clip_fraction": average(clipped_above + clipped_below, choices),
        "clip_fraction_positive": average(clipped_above, choices),
        "clip_fraction_negative": average(clipped_below, choices),
    }


def _joint_extremes(extremes: Extremes) -> dict[str, MeasuredValue]:
    measured = _is_measured(extremes.joint_log_ratio)
    return {
        "joint_ratio_max": measured_value(_ratio(extremes.joint_log_ratio, measured)),
        "joint_ratio_min": measured_value(_ratio(-extremes.negative_joint_log_ratio, measured)),
        "log_prob_min": MeasuredValue(-extremes.negative_log_prob, measured),
    }


def _details(totals: Totals) -> dict[str, MeasuredValue]:
    """The spread of the joint ratio, the k1 estimator, and the LSTM."""
    sums, extremes, steps = totals.detail_sums, totals.detail_extremes, totals.sums.steps
    excess, square = average(sums.joint_excess, steps), average(sums.joint_excess_square, steps)
    variance = (square.value - excess.value.square()).clamp_min(0.0)
    return {
        "joint_ratio_mean": MeasuredValue(1.0 + excess.value, excess.measured),
        "joint_ratio_std": MeasuredValue(variance.sqrt(), excess.measured),
        "kl_k1": average(-sums.products[0, 2], totals.sums.relevant.sum()),
        "log_prob_max": MeasuredValue(extremes.log_prob, _is_measured(extremes.log_prob)),
        **_memory(totals.lstm_sums, totals.lstm_extremes),
    }


def _memory(sums: LSTMSums, extremes: LSTMExtremes) -> dict[str, MeasuredValue]:
    hidden, cell = average(sums.hidden_square, sums.units), average(sums.cell_square, sums.units)
    saturated, measured = average(sums.saturated, sums.units)
    gates = zip(GATES, saturated, measured, strict=True)
    return {
        "lstm_hidden_rms": MeasuredValue(hidden.value.sqrt(), hidden.measured),
        "lstm_hidden_max": MeasuredValue(extremes.hidden, hidden.measured),
        "lstm_cell_rms": MeasuredValue(cell.value.sqrt(), cell.measured),
        "lstm_cell_max": MeasuredValue(extremes.cell, cell.measured),
        "lstm_cell_mean": average(sums.cell, sums.units),
        **{f"lstm_{gate}_gate_saturation": MeasuredValue(*share) for gate, *share in gates if gate != "cell"},
    }


def _is_measured(extreme: Tensor) -> Tensor:
    """False if a maximum had no entries; True for NaN, which must come from an entry."""
    return (extreme < -ABSENT / 2).logical_not()


def _ratio(log_ratio: Tensor, measured: Tensor) -> Tensor:
    """The ratio, or the neutral 1 where it was not measured."""
    return torch.where(measured, log_ratio, 0.0).exp()


def _gradients(gradients: GradientTotals) -> dict[str, MeasuredValue]:
    return {
        "grad_norm": average(gradients.norm_after, gradients.attempted),
        "grad_norm_pre_clip": MeasuredValue(gradients.norm_before, gradients.attempted > 0),
        "nan_grad_count": measured_value(gradients.nan),
        "inf_grad_count": measured_value(gradients.inf),
        "skipped_steps": measured_value(gradients.skipped),
        "epochs_completed": measured_value(gradients.epochs),
    }


def _layer_gradients(gradients: GradientTotals, layers: LayerInfo) -> dict[str, MeasuredValue]:
    """Dead and exploding parts of the network."""
    squares, measured = average(gradients.layers, gradients.attempted)
    attempted = measured.any()
    dead = (squares / layers.sizes).sqrt() < layers.dead
    heads = average(gradients.heads, gradients.attempted).value
    mean = heads.mean()
    return {
        "dead_layers": MeasuredValue(dead.sum(), attempted),
        "exploding_layers": MeasuredValue((squares.sqrt() > layers.exploding).sum(), attempted),
        "lstm_grad_norm": MeasuredValue((squares * layers.lstm).sum().sqrt(), attempted),
        "value_grad_norm": average(gradients.value, gradients.attempted),
        "gradient_cv": MeasuredValue(heads.std(correction=0) / mean, attempted.logical_and(mean != 0)),
    }


def _head_means(sums: Sums) -> dict[str, MeasuredValue]:
    return {
        "entropy": average(sums.entropy, sums.relevant),
        "entropy_legal": average(sums.entropy_legal, sums.learnable),
        "relevance": MeasuredValue(
            sums.relevant / sums.steps.clamp_min(1.0), (sums.steps > 0).expand_as(sums.relevant)
        ),
        "learnable_fraction": MeasuredValue(
            sums.learnable / sums.steps.clamp_min(1.0), (sums.steps > 0).expand_as(sums.learnable)
        ),
        "kl_divergence": average(sums.kl, sums.relevant),
        "clip_fraction": average(sums.clipped_above + sums.clipped_below, sums.relevant),
    }


def _head_ratios(totals: Totals) -> dict[str, MeasuredValue]:
    extremes, measured = totals.extremes, totals.sums.relevant > 0
    return {
        "ratio_max": measured_value(_ratio(extremes.log_ratio, measured)),
        "ratio_min": measured_value(_ratio(-extremes.negative_log_ratio, measured)),
    }
