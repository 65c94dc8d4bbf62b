"""The metrics of an update, computed on the host from what the device measured."""

import torch
from torch import Tensor

from esper_schemas.metrics.metric import TelemetryLevel
from esper_trainer.measure.critic_metrics import VALUES, critic_details, explained_variance
from esper_trainer.measure.leading_signs import trunk_signs
from esper_trainer.measure.lstm_metrics import GATES, LSTMStatistics
from esper_trainer.measure.measurements import Losses, Measurements
from esper_trainer.measure.minibatch_statistics import ABSENT, Extremes, Sums, kl_divergence
from esper_trainer.measure.packed_metrics import MeasuredValue, UpdateMetrics, average, measured_value
from esper_trainer.measure.running_totals import GradientTotals, Totals
from esper_trainer.measure.self_checks import self_check_metrics, self_checks
from esper_trainer.model.action_layout import ActionLayout
from esper_trainer.ppo.policy_optimiser import LayerInfo


@torch.inference_mode()
def update_metrics(
    measurements: Measurements, layout: ActionLayout, layers: LayerInfo, level: TelemetryLevel
) -> UpdateMetrics:
    """All metrics of an update at a telemetry level; a level includes the metrics of lower ones."""
    totals, rollout = measurements.totals, measurements.rollout
    fields = {
        **_losses(measurements.losses),
        **_joint_extremes(totals.extremes),
        **_gradients(totals.gradients),
    }
    families = _head_ratios(totals)
    if rollout is not None:
        fields |= {**_entropies(totals.sums, layout), **_trust_region(totals.sums)}
        fields["explained_variance"] = explained_variance(rollout)
    if level >= TelemetryLevel.NORMAL:
        fields |= {**_normal(measurements), **_layer_gradients(totals.gradients, layers)}
        families |= _head_means(totals.sums)
        families["grad_norm"] = average(totals.gradients.heads, totals.gradients.attempted)
    if level >= TelemetryLevel.DEBUG:
        fields |= _debug(measurements)
    return UpdateMetrics(fields, families)


def _normal(measurements: Measurements) -> dict[str, MeasuredValue]:
    """What is measured at level NORMAL, beside gradients and heads."""
    _, totals, rollout, first, lstm, trunk, *_ = measurements
    assert rollout is not None
    assert rollout.details is not None
    assert first is not None
    assert lstm is not None
    assert trunk is not None
    details = rollout.details
    largest_value = torch.maximum(details.largest[VALUES], -details.smallest[VALUES])
    return {
        **critic_details(rollout, details),
        **_details(totals),
        **_memory(lstm),
        **self_check_metrics(self_checks(first, largest_value), totals),
        **trunk_signs(trunk),
    }


def _debug(measurements: Measurements) -> dict[str, MeasuredValue]:
    noise, churn = measurements.gradient_noise_scale, measurements.policy_churn
    assert noise is not None
    assert churn is not None
    return {"gradient_noise_scale": noise, "policy_churn": churn}


def _losses(losses: Losses) -> dict[str, MeasuredValue]:
    return {"policy_loss": measured_value(losses.policy), "value_loss": measured_value(losses.value)}


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
    """The spread of the joint ratio, the k1 estimator, and the largest log-probability."""
    products, steps = totals.detail_sums.products, totals.sums.steps
    excess, square = average(products[3, 2], steps), average(products[3, 3], steps)
    variance = (square.value - excess.value.square()).clamp_min(0.0)
    log_prob = totals.detail_extremes.log_prob
    return {
        "joint_ratio_mean": MeasuredValue(1.0 + excess.value, excess.measured),
        "joint_ratio_std": MeasuredValue(variance.sqrt(), excess.measured),
        "kl_k1": average(-products[0, 2], totals.sums.relevant.sum()),
        "log_prob_max": MeasuredValue(log_prob, _is_measured(log_prob)),
    }


def _memory(lstm: LSTMStatistics) -> dict[str, MeasuredValue]:
    units = torch.tensor(float(lstm.cell.numel() * lstm.saturated.shape[1]))
    hidden, cell = lstm.norms / units.sqrt()
    values = {
        "lstm_hidden_rms": hidden,
        "lstm_hidden_max": lstm.largest[0],
        "lstm_cell_rms": cell,
        "lstm_cell_max": lstm.largest[1],
        "lstm_cell_mean": lstm.cell.sum() / units,
        **{
            f"lstm_{gate}_gate_saturation": share
            for gate, share in zip(GATES, lstm.saturated.sum(1) / units, strict=True)
            if gate != "cell"
        },
    }
    return {name: measured_value(value) for name, value in values.items()}


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
