"""Signs that precede a failure, on the device: the trunk's capacity, and how an update is steered."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from esper_schemas.heads import HEAD_SIZES
from esper_schemas.metrics import DORMANT
from esper_trainer.measure.packed_metrics import MeasuredValue, average
from esper_trainer.ppo.batch import RolloutBatch

STATES = 256
"""At most this many states are examined: the cost of a rank grows with their number."""

Signs = dict[str, MeasuredValue]


def layer_signs(features: nn.Sequential, observations: Tensor, alive: Tensor) -> Signs:
    """Signs of the feature layer from observations [T, B, O] and alive [T, B]."""
    observed, valid = sampled(observations.flatten(0, 1)), sampled(alive.flatten())
    linear, *others = features
    activations = preactivations = linear(observed).float()
    for layer in others:
        activations = layer(activations)
    square, measured = average((preactivations.square().mean(1) * valid).sum(), valid.sum())
    return {
        "dead_units": MeasuredValue(dead_units(activations, valid), measured),
        "preactivation_norm": MeasuredValue(square.sqrt(), measured),
    }


def sampled(states: Tensor) -> Tensor:
    """At most `STATES` rows of a tensor [N, ...], at equal distances."""
    return states[:: -(-len(states) // STATES)]


def feature_rank(features: Tensor, alive: Tensor) -> MeasuredValue:
    """The effective rank of features [N, H] where alive [N] is 1, 0-d.

    This participation ratio (tr C)² / tr(C²) of their covariance C counts directions by their share of the
    variance. Unlike ranks from singular values (Kumar et al. 2021; Lyle et al. 2022), it needs no
    decomposition, which would wait for the device. Not measured if the features are constant.
    """
    weight = alive[:, None]
    mean = (features * weight).sum(0) / alive.sum().clamp_min(1.0)
    centred = (features - mean) * weight
    scale = centred.abs().amax().clamp_min(torch.finfo(centred.dtype).tiny)
    scaled = centred / scale
    covariance = scaled.t() @ scaled
    trace, square = covariance.diagonal().sum(), covariance.square().sum()
    varies = (trace <= 0.0).logical_not()
    return MeasuredValue(torch.where(varies, trace.square() / square, 0.0), varies)


def dead_units(activations: Tensor, alive: Tensor) -> Tensor:
    """The share of dormant units of a layer, 0-d (Sokar et al. 2023), from its activations [N, H]."""
    means = (activations.abs() * alive[:, None]).sum(0) / alive.sum().clamp_min(1.0)
    share = (means <= DORMANT * means.mean()).float().mean()
    return torch.where(means.isnan().any(), torch.nan, share)


def log_prob_advantage_covariance(batch: RolloutBatch) -> MeasuredValue:
    """The covariance of log-probability and advantage of a flat batch, 0-d (Cui et al. 2025)."""
    log_probs = (batch.old_log_probs * batch.relevance).sum(0)
    total = batch.alive.sum().clamp_min(1.0)
    means = (torch.stack((log_probs, batch.advantages)) * batch.alive).sum(1) / total
    products = (log_probs - means[0]) * (batch.advantages - means[1]) * batch.alive
    return average(products.sum(), batch.alive.sum())


def noise_scale(first: tuple[Tensor, ...], second: tuple[Tensor, ...], steps: Tensor) -> MeasuredValue:
    """The simple noise scale tr Σ / |G|² in steps, 0-d (McCandlish et al. 2018, appendix A.1).

    first, second: the gradients of two halves of a batch, whose valid steps are `steps` in total, 0-d. With
    batches of half and full size the unbiased estimates are tr Σ = (steps / 4) |g₁ - g₂|² and
    |G|² = g₁ · g₂. Not measured where the latter is not positive.
    """
    one, other = (torch.cat([part.flatten() for part in half]) for half in (first, second))
    signal = one @ other
    noise = (one - other).square().sum() * steps / 4.0
    clear = (signal <= 0.0).logical_not()
    return MeasuredValue(torch.where(clear, noise / signal, 0.0), clear)


class GreedyChoices(NamedTuple):
    """The most probable choice of each head [8, N], and 1 where it has an alternative [8, N]."""

    choices: Tensor
    learnable: Tensor


def greedy_choices(logits: Tensor, batch: RolloutBatch) -> GreedyChoices:
    """The most probable legal choices for a flat batch; logits [41, N]."""
    rows = torch.split(logits + batch.penalty, list(HEAD_SIZES.values()))
    return GreedyChoices(torch.stack([row.argmax(0) for row in rows]), batch.learnable)


def policy_churn(before: GreedyChoices, after: GreedyChoices) -> MeasuredValue:
    """The share of choices that an update changed, 0-d (Schaul et al. 2022)."""
    changed = (before.choices != after.choices) * before.learnable
    return average(changed.sum(), before.learnable.sum())
