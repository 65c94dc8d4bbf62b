"""From an update's totals to the metrics of the payload, still on the device."""

from typing import NamedTuple

import torch
from torch import Tensor

from esper_trainer.batch import Targets, moments
from esper_trainer.layout import Layout
from esper_trainer.statistics import ABSENT, Extremes, Sums, kl_divergence
from esper_trainer.totals import GradientTotals, Totals

SMALLEST_VARIANCE = 1e-8
"""Returns that vary less than this leave nothing to explain."""


class Measurement(NamedTuple):
    """A value, 0-d or [8], and whether it was measured (bool, same shape)."""

    value: Tensor
    measured: Tensor


class Measurements(NamedTuple):
    """Metrics by the names of the payload: plain fields, and families of fields per head."""

    fields: dict[str, Measurement]
    families: dict[str, Measurement]


def measure(totals: Totals, targets: Targets, layout: Layout) -> Measurements:
    """Everything that an update knows about itself."""
    fields = {
        **_losses(totals.sums),
        **_entropies(totals.sums, layout),
        **_trust_region(totals.sums),
        **_joint_extremes(totals.extremes),
        **_critic(targets),
        **_gradients(totals.gradients),
    }
    families = {**_head_means(totals.sums), **_head_ratios(totals)}
    families["grad_norm"] = _mean(totals.gradients.heads, totals.gradients.tried)
    return Measurements(fields, families)


def _always(value: Tensor) -> Measurement:
    return Measurement(value, torch.ones_like(value, dtype=torch.bool))


def _mean(total: Tensor, count: Tensor) -> Measurement:
    """A total over a count; not measured where nothing was counted."""
    return Measurement(total / count.clamp_min(1.0), (count > 0).expand_as(total))


def _losses(sums: Sums) -> dict[str, Measurement]:
    return {
        "policy_loss": _always(-_mean(sums.surrogate, sums.relevant).value.sum()),
        "value_loss": _always(0.5 * _mean(sums.errors, sums.steps).value),
    }


def _entropies(sums: Sums, layout: Layout) -> dict[str, Measurement]:
    """Over the heads that were measured; the others add 0."""
    entropies, measured = _mean(sums.entropy, sums.relevant)
    shares = (entropies / layout.max_entropies).sum()
    return {
        "entropy": Measurement(entropies.sum(), measured.any()),
        "entropy_normalized": _mean(shares, measured.sum()),
    }


def _trust_region(sums: Sums) -> dict[str, Measurement]:
    choices = sums.relevant.sum()
    risen, fallen = sums.risen.sum(), sums.fallen.sum()
    return {
        "kl_divergence": Measurement(kl_divergence(sums), choices > 0),
        "clip_fraction": _mean(risen + fallen, choices),
        "clip_fraction_positive": _mean(risen, choices),
        "clip_fraction_negative": _mean(fallen, choices),
    }


def _joint_extremes(extremes: Extremes) -> dict[str, Measurement]:
    seen = _seen(extremes.joint_log_ratio)
    return {
        "joint_ratio_max": _always(_ratio(extremes.joint_log_ratio, seen)),
        "joint_ratio_min": _always(_ratio(-extremes.negative_joint_log_ratio, seen)),
        "log_prob_min": Measurement(-extremes.negative_log_prob, seen),
    }


def _seen(extreme: Tensor) -> Tensor:
    """False where a maximum saw nothing; True for NaN, which something must have been."""
    return (extreme < -ABSENT / 2).logical_not()


def _ratio(log_ratio: Tensor, seen: Tensor) -> Tensor:
    """The ratio, or the neutral 1 where there is none."""
    return torch.where(seen, log_ratio, 0.0).exp()


def _critic(targets: Targets) -> dict[str, Measurement]:
    """What the critic had to explain, and how much of it it did."""
    advantages, returns, values = (
        moments(column, targets.alive) for column in (targets.advantages, targets.returns, targets.values)
    )
    variance = returns.std.square()
    unexplained = advantages.std.square() / variance.clamp_min(SMALLEST_VARIANCE)
    return {
        "explained_variance": Measurement(1.0 - unexplained, (variance < SMALLEST_VARIANCE).logical_not()),
        "advantage_mean": _always(advantages.mean),
        "advantage_std": _always(advantages.std),
        "return_mean": _always(returns.mean),
        "return_std": _always(returns.std),
        "value_mean": _always(values.mean),
        "value_std": _always(values.std),
    }


def _gradients(gradients: GradientTotals) -> dict[str, Measurement]:
    return {
        "grad_norm": _mean(gradients.norm_after, gradients.tried),
        "grad_norm_pre_clip": Measurement(gradients.norm_before, gradients.tried > 0),
        "nan_grad_count": _always(gradients.nan),
        "inf_grad_count": _always(gradients.inf),
        "skipped_steps": _always(gradients.skipped),
        "epochs_completed": _always(gradients.epochs),
    }


def _head_means(sums: Sums) -> dict[str, Measurement]:
    return {
        "entropy": _mean(sums.entropy, sums.relevant),
        "entropy_legal": _mean(sums.entropy_legal, sums.free),
        "relevance": Measurement(
            sums.relevant / sums.steps.clamp_min(1.0), (sums.steps > 0).expand_as(sums.relevant)
        ),
        "kl_divergence": _mean(sums.kl, sums.relevant),
        "clip_fraction": _mean(sums.risen + sums.fallen, sums.relevant),
    }


def _head_ratios(totals: Totals) -> dict[str, Measurement]:
    extremes, seen = totals.extremes, totals.sums.relevant > 0
    return {
        "ratio_max": _always(_ratio(extremes.log_ratio, seen)),
        "ratio_min": _always(_ratio(-extremes.negative_log_ratio, seen)),
    }
