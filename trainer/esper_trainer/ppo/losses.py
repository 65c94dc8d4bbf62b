"""The losses of PPO (Schulman et al. 2017) as pure functions of tensors."""

import torch
from torch import Tensor

LOG_RATIO_LIMIT = 20.0
"""Log-ratios are clamped to this magnitude before they are exponentiated (TELE-151)."""

JOINT_LOG_RATIO_LIMIT = 30.0
"""The same for the sum over all heads (TELE-150)."""


def masked_mean(values: Tensor, mask: Tensor, count: Tensor | None = None) -> Tensor:
    """Mean over the last dimension where the mask is 1; 0 where it is nowhere 1.

    With a `count` of its own, which is that of all processes, it is this process's part of their mean.
    """
    return (values * mask).sum(-1) / (mask.sum(-1) if count is None else count).clamp_min(1.0)


def log_ratio(log_probs: Tensor, old_log_probs: Tensor) -> Tensor:
    """How much more probable each choice has become, in nats, clamped."""
    return (log_probs - old_log_probs).clamp(-LOG_RATIO_LIMIT, LOG_RATIO_LIMIT)


def clipped_surrogate(ratios: Tensor, advantages: Tensor, clip_range: float) -> Tensor:
    """min(r * A, clip(r, 1 - eps, 1 + eps) * A), to be maximised.

    ratios [8, N]; advantages [N] are the same for all heads.
    """
    clipped = ratios.clamp(1.0 - clip_range, 1.0 + clip_range)
    return torch.minimum(ratios * advantages, clipped * advantages)


def policy_loss(surrogate: Tensor, relevance: Tensor, count: Tensor | None = None) -> Tensor:
    """Minus the sum over the heads of the mean over the steps where each was relevant (TELE-131).

    surrogate and relevance [8, N].
    """
    return -masked_mean(surrogate, relevance, count).sum()


def squared_error(values: Tensor, old_values: Tensor, returns: Tensor, value_clip: float) -> Tensor:
    """The larger of the squared errors of the value and of the clipped value [N] (TELE-132).

    A `value_clip` of 0 switches the clipping off.
    """
    error = (values - returns).square()
    if not value_clip:
        return error
    clipped = old_values + (values - old_values).clamp(-value_clip, value_clip)
    return torch.maximum(error, (clipped - returns).square())


def value_loss(squared_errors: Tensor, alive: Tensor, count: Tensor | None = None) -> Tensor:
    """Half the mean of squared errors [N] over the steps that count."""
    return 0.5 * masked_mean(squared_errors, alive, count)


def entropy_bonus(
    entropies: Tensor, availability: Tensor, multipliers: Tensor, count: Tensor | None = None
) -> Tensor:
    """The weighted sum over the heads of the mean entropy where a legal op could use the head.

    Where an op *was chosen* would be too narrow: a head that is rarely used would never explore.
    entropies and availability [8, N]; multipliers [8].
    """
    return (multipliers * masked_mean(entropies, availability, count)).sum()


def kl_estimate(log_ratios: Tensor, ratios: Tensor) -> Tensor:
    """(r - 1) - ln r, an estimate of the KL divergence that is never negative (Schulman's k3)."""
    return (ratios - 1.0) - log_ratios
