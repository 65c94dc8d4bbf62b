"""The loss that an optimiser step minimises, with its analytic gradient.

Autograd would need three times as many passes over [8, N] tensors: `torch.minimum`, `clamp` and masked means
save masks, and masks are slow on a CPU.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from esper_trainer.device.activation_gradients import hardtanh_backward, threshold_backward
from esper_trainer.ppo.batch import RolloutBatch, StepCounts
from esper_trainer.ppo.losses import (
    LOG_RATIO_LIMIT,
    clipped_surrogate,
    entropy_bonus,
    log_ratio,
    policy_loss,
    squared_error,
    value_loss,
)

JUST_BELOW_ZERO = -1e-30
"""Distinguishes steps that are not clipped, where both surrogates are equal, from clipped ones."""


class LossCoefficients(NamedTuple):
    """The loss is policy loss + value_weight * value loss - entropy_weight * entropy bonus.

    value_weight, entropy_weight: 0-d. multipliers [8]: the weights of the heads in the bonus. value_clip: 0
    disables the clipping of values.
    """

    clip_range: float
    value_clip: float
    value_weight: Tensor
    entropy_weight: Tensor
    multipliers: Tensor


class CombinedLoss(NamedTuple):
    """The loss, 0-d, and its intermediate results without gradients: [8, N] each, and squared errors [N]."""

    loss: Tensor
    log_ratios: Tensor
    ratios: Tensor
    surrogate: Tensor
    squared_errors: Tensor


def combined_loss(
    log_probs: Tensor,
    entropies: Tensor,
    values: Tensor,
    batch: RolloutBatch,
    step_counts: StepCounts,
    coefficients: LossCoefficients,
) -> CombinedLoss:
    """The loss of a flat batch; differentiable with respect to the first three arguments.

    log_probs and entropies [8, N], values [N]. step_counts: the divisors of the means.
    """
    return CombinedLoss(
        *_CombinedLossFunction.apply(log_probs, entropies, values, batch, step_counts, coefficients)  # type: ignore[no-untyped-call]
    )


class _CombinedLossFunction(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        log_probs: Tensor,
        entropies: Tensor,
        values: Tensor,
        batch: RolloutBatch,
        step_counts: StepCounts,
        coefficients: LossCoefficients,
    ) -> CombinedLoss:
        log_ratios = log_ratio(log_probs, batch.old_log_probs)
        ratios = log_ratios.exp()
        surrogate = clipped_surrogate(ratios, batch.advantages, coefficients.clip_range)
        squared_errors = squared_error(values, batch.old_values, batch.returns, coefficients.value_clip)
        loss = (
            policy_loss(surrogate, batch.relevance, step_counts.relevance)
            + coefficients.value_weight * value_loss(squared_errors, batch.alive, step_counts.alive)
            - coefficients.entropy_weight
            * entropy_bonus(entropies, batch.availability, coefficients.multipliers, step_counts.availability)
        )
        parts = (log_ratios, ratios, surrogate, squared_errors)
        ctx.save_for_backward(
            _policy_gradient(log_probs, ratios, surrogate, batch, step_counts, coefficients),
            _entropy_gradient(batch, step_counts, coefficients),
            _value_gradient(values, squared_errors, batch, step_counts, coefficients),
        )
        ctx.mark_non_differentiable(*parts)
        return CombinedLoss(loss, *parts)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        scale, *_ = gradients
        return *(gradient * scale for gradient in ctx.saved_tensors), None, None, None


def _policy_gradient(
    log_probs: Tensor,
    ratios: Tensor,
    surrogate: Tensor,
    batch: RolloutBatch,
    step_counts: StepCounts,
    coefficients: LossCoefficients,
) -> Tensor:
    """Gradient of the policy loss with respect to log_probs [8, N]: -r * A / count where not clipped."""
    gain, clip_range = ratios * batch.advantages, coefficients.clip_range
    clipped = ratios.clamp(1.0 - clip_range, 1.0 + clip_range).mul_(batch.advantages)
    slope = threshold_backward(surrogate, clipped.sub_(gain), JUST_BELOW_ZERO)
    slope = hardtanh_backward(slope, log_probs - batch.old_log_probs, -LOG_RATIO_LIMIT, LOG_RATIO_LIMIT)
    return slope.mul_(batch.relevance).div_(-step_counts.relevance.clamp_min(1.0)[:, None])


def _entropy_gradient(batch: RolloutBatch, step_counts: StepCounts, coefficients: LossCoefficients) -> Tensor:
    """Gradient of the weighted entropy bonus with respect to entropies [8, N]."""
    weight = coefficients.multipliers / step_counts.availability.clamp_min(1.0)
    return batch.availability * (-coefficients.entropy_weight * weight)[:, None]


def _value_gradient(
    values: Tensor,
    squared_errors: Tensor,
    batch: RolloutBatch,
    step_counts: StepCounts,
    coefficients: LossCoefficients,
) -> Tensor:
    """Gradient of the value loss with respect to values [N]: error / count where not clipped."""
    error = values - batch.returns
    slope = error * batch.alive * (coefficients.value_weight / step_counts.alive.clamp_min(1.0))
    if not coefficients.value_clip:
        return slope
    inside = (values - batch.old_values).abs() <= coefficients.value_clip
    return slope * (inside | (error.square() >= squared_errors))
