"""The terms of the PPO loss (Schulman et al. 2017) as pure functions of tensors."""

import torch
from torch import Tensor

LOG_RATIO_LIMIT = 20.0
"""Log-ratios are clamped to this magnitude before exponentiation (TELE-151)."""

JOINT_LOG_RATIO_LIMIT = 30.0
"""The same limit for the sum of log-ratios over all heads (TELE-150)."""


def masked_mean(values: Tensor, mask: Tensor, count: Tensor | None = None) -> Tensor:
    """Mean over the last dimension where the mask is 1; 0 where the mask is 0 everywhere.

    count: divisor to use instead of the sum of the mask, e.g. that over all processes.
    """
    return (values * mask).sum(-1) / (mask.sum(-1) if count is None else count).clamp_min(1.0)


def log_ratio(log_probs: Tensor, old_log_probs: Tensor) -> Tensor:
    """Log-probability ratios in nats, clamped."""
    return (log_probs - old_log_probs).clamp(-LOG_RATIO_LIMIT, LOG_RATIO_LIMIT)


def clipped_surrogate(ratios: Tensor, advantages: Tensor, clip_range: float) -> Tensor:
    """The clipped surrogate min(r * A, clip(r, 1 - eps, 1 + eps) * A), to be maximised.

    ratios [8, N]; advantages [N] are the same for all heads.
    """
    clipped = ratios.clamp(1.0 - clip_range, 1.0 + clip_range)
    return torch.minimum(ratios * advantages, clipped * advantages)


def policy_loss(surrogate: Tensor, relevance: Tensor, count: Tensor | None = None) -> Tensor:
    """Minus the sum over heads of the mean surrogate over the steps where the head was relevant
    (TELE-131).

    surrogate and relevance [8, N].
    """
    return -masked_mean(surrogate, relevance, count).sum()


def squared_error(values: Tensor, old_values: Tensor, returns: Tensor, value_clip: float) -> Tensor:
    """The larger squared error of the value and of the clipped value, [N] (TELE-132).

    A `value_clip` of 0 disables clipping.
    """
    error = (values - returns).square()
    if not value_clip:
        return error
    clipped = old_values + (values - old_values).clamp(-value_clip, value_clip)
    return torch.maximum(error, (clipped - returns).square())


def value_loss(squared_errors: Tensor, alive: Tensor, count: Tensor | None = None) -> Tensor:
    """Half the mean of squared errors [N] over valid steps."""
    return 0.5 * masked_mean(squared_errors, alive, count)


def entropy_bonus(
    entropies: Tensor, availability: Tensor, multipliers: Tensor, count: Tensor | None = None
) -> Tensor:
    """The weighted sum over heads of the mean entropy over the steps where a legal op could use the head.

    Averaging over the steps where such an op *was chosen* would be too narrow: a rarely used head would never
    explore. entropies and availability [8, N]; multipliers [8].
    """
    return (multipliers * masked_mean(entropies, availability, count)).sum()


def kl_estimate(log_ratios: Tensor, ratios: Tensor) -> Tensor:
    """The k3 estimator (r - 1) - ln r of the KL divergence, which is never negative (Schulman 2020)."""
    return (ratios - 1.0) - log_ratios
