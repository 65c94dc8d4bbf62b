"""What an optimiser step descends, with its gradient written out.

Autograd would need three times as many passes over [8, N] tensors: `torch.minimum`, `clamp` and masked
means keep masks, and masks are slow on a CPU.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from esper_trainer.device.activation_gradients import hardtanh_backward, threshold_backward
from esper_trainer.ppo.batch import Batch, Counts
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
"""Separates what is not clipped, where both surrogates are equal, from what is."""


class Terms(NamedTuple):
    """The loss is policy loss + value_weight * value loss - entropy_weight * bonus.

    value_weight, entropy_weight: 0-d; multipliers [8]: the heads' weights in the bonus; a value_clip of 0
    switches the clipping of values off.
    """

    clip_range: float
    value_clip: float
    value_weight: Tensor
    entropy_weight: Tensor
    multipliers: Tensor


class Objective(NamedTuple):
    """The loss, 0-d, and what it was made of, without gradients: [8, N] each, and squared errors [N]."""

    loss: Tensor
    log_ratios: Tensor
    ratios: Tensor
    surrogate: Tensor
    errors: Tensor


def objective(
    log_probs: Tensor, entropies: Tensor, values: Tensor, batch: Batch, counted: Counts, terms: Terms
) -> Objective:
    """Of a flat batch; log_probs and entropies [8, N], values [N]; the loss is differentiable in them."""
    return Objective(
        *_Objective.apply(log_probs, entropies, values, batch, counted, terms)  # type: ignore[no-untyped-call]
    )


class _Objective(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        log_probs: Tensor,
        entropies: Tensor,
        values: Tensor,
        batch: Batch,
        counted: Counts,
        terms: Terms,
    ) -> Objective:
        log_ratios = log_ratio(log_probs, batch.old_log_probs)
        ratios = log_ratios.exp()
        surrogate = clipped_surrogate(ratios, batch.advantages, terms.clip_range)
        errors = squared_error(values, batch.old_values, batch.returns, terms.value_clip)
        loss = (
            policy_loss(surrogate, batch.relevance, counted.relevance)
            + terms.value_weight * value_loss(errors, batch.alive, counted.alive)
            - terms.entropy_weight
            * entropy_bonus(entropies, batch.availability, terms.multipliers, counted.availability)
        )
        made_of = (log_ratios, ratios, surrogate, errors)
        ctx.save_for_backward(
            _policy_gradient(log_probs, ratios, surrogate, batch, counted, terms),
            _entropy_gradient(batch, counted, terms),
            _value_gradient(values, errors, batch, counted, terms),
        )
        ctx.mark_non_differentiable(*made_of)
        return Objective(loss, *made_of)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        scale, *_ = gradients
        return *(gradient * scale for gradient in ctx.saved_tensors), None, None, None


def _policy_gradient(
    log_probs: Tensor, ratios: Tensor, surrogate: Tensor, batch: Batch, counted: Counts, terms: Terms
) -> Tensor:
    """Of the policy loss, to log-probabilities [8, N]: -r * A / count where that is the minimum."""
    gain = ratios * batch.advantages
    clipped = ratios.clamp(1.0 - terms.clip_range, 1.0 + terms.clip_range).mul_(batch.advantages)
    slope = threshold_backward(surrogate, clipped.sub_(gain), JUST_BELOW_ZERO)
    slope = hardtanh_backward(slope, log_probs - batch.old_log_probs, -LOG_RATIO_LIMIT, LOG_RATIO_LIMIT)
    return slope.mul_(batch.relevance).div_(-counted.relevance.clamp_min(1.0)[:, None])


def _entropy_gradient(batch: Batch, counted: Counts, terms: Terms) -> Tensor:
    """Of the bonus with respect to entropies [8, N]."""
    weight = terms.multipliers / counted.availability.clamp_min(1.0)
    return batch.availability * (-terms.entropy_weight * weight)[:, None]


def _value_gradient(values: Tensor, errors: Tensor, batch: Batch, counted: Counts, terms: Terms) -> Tensor:
    """Of the value loss with respect to values [N]: the error over the count where it is not clipped."""
    error = values - batch.returns
    slope = error * batch.alive * (terms.value_weight / counted.alive.clamp_min(1.0))
    if not terms.value_clip:
        return slope
    inside = (values - batch.old_values).abs() <= terms.value_clip
    return slope * (inside | (error.square() >= errors))
