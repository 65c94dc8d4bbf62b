"""What a trainer can check about itself: identities of every correct PPO, and the effect of an update.

They are recorded under these names beside what a library logs; a rule may use them once the catalogue has
them.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
_TINY = 1e-8


class Rewards(NamedTuple):
    """What an environment returned, [T, N] each, with the values of the last observations [N].

    starts: 1 where a step is the first of its episode; last_starts [N]: the same for the step after the last.
    """

    rewards: Array
    values: Array
    starts: Array
    last_values: Array
    last_starts: Array


def generalised_advantages(of: Rewards, gamma: float, gae_lambda: float) -> Array:
    """Advantages [T, N] (Schulman et al. 2016), independently of the trainer's own computation."""
    result = np.zeros_like(of.rewards)
    following, next_values, next_starts = np.zeros_like(of.last_values), of.last_values, of.last_starts
    for step in reversed(range(len(of.rewards))):
        goes_on = 1.0 - next_starts
        delta = of.rewards[step] + gamma * next_values * goes_on - of.values[step]
        following = delta + gamma * gae_lambda * goes_on * following
        result[step], next_values, next_starts = following, of.values[step], of.starts[step]
    return result


def initial_policy(log_probs: Array, old_log_probs: Array) -> dict[str, float]:
    """How far the policy of the first minibatch, before any step, is from that of the rollout: not at all."""
    log_ratios = (log_probs - old_log_probs).astype(np.float64)
    ratios = np.exp(np.clip(log_ratios, -20.0, 20.0))
    return {
        "initial_ratio_max": float(np.abs(ratios - 1.0).max()),
        "initial_kl": float((ratios - 1.0 - log_ratios).mean()),
    }


def gae_residual(used: Array, recomputed: Array) -> dict[str, float]:
    """The largest error of the advantages that the loss reads, in deviations of the correct ones."""
    return {"gae_residual": float(np.abs(used - recomputed).max() / (recomputed.std() + _TINY))}


def reward_checksum(learner: Array, environment: Array) -> dict[str, float]:
    """The difference of the sums of t · r, as a share of the sum of t · |r|."""
    times = np.arange(1, len(environment) + 1, dtype=np.float64)[:, None]
    difference = (times * learner).sum() - (times * environment).sum()
    return {"reward_checksum_error": float(abs(difference) / ((times * np.abs(environment)).sum() + _TINY))}


def final_policy(
    log_probs: Array, old_log_probs: Array, advantages: Array, clip_range: float
) -> dict[str, float]:
    """What an update did to the policy, after its last step; advantages are those of the rewards."""
    log_ratios = (log_probs - old_log_probs).astype(np.float64)
    ratios = np.exp(np.clip(log_ratios, -20.0, 20.0))
    return {
        "kl_final": float((ratios - 1.0 - log_ratios).mean()),
        "clip_fraction_final": float((np.abs(ratios - 1.0) > clip_range).mean()),
        "ratio_max_final": float(ratios.max()),
        "advantage_correlation": correlation(log_ratios, advantages.astype(np.float64)),
    }


def correlation(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Pearson's correlation; NaN where one of them is constant."""
    one, other = one - one.mean(), other - other.mean()
    size = float(np.sqrt((one**2).sum() * (other**2).sum()))
    return float((one * other).sum()) / size if size > 0 else float("nan")


def value_churn(values: Array, old_values: Array) -> dict[str, float]:
    """How far the critic moved, in deviations of its values."""
    return {"value_churn": float(np.sqrt(((values - old_values) ** 2).mean()) / (old_values.std() + _TINY))}
