"""Signs that precede a failure, on the device: the trunk's capacity, and how an update is steered."""

from typing import NamedTuple

import torch
from torch import Tensor

from esper_schemas.heads import HEAD_SIZES
from esper_schemas.metrics import DORMANT
from esper_trainer.measure.packed_metrics import MeasuredValue, average
from esper_trainer.model.policy import TrunkOutput
from esper_trainer.ppo.batch import RolloutBatch

STATES = 256
"""At most this many states are examined: the cost of a rank grows with their number."""

Signs = dict[str, MeasuredValue]


class TrunkSample(NamedTuple):
    """The trunk at a sample of the steps, before an update.

    steps 0-d: the number of valid steps in the sample. preactivation_norm 0-d: the root of the summed squares
    of the feature layer's outputs before their normalisation. activations [H]: the sums of its activations.
    largest 0-d: the largest magnitude of the hidden states less their means, by which they are divided so
    that squares of small ones do not underflow. scatter_root, scatter_norm 0-d: the root of the trace and the
    Frobenius norm of the scatter matrix of the result.
    """

    steps: Tensor
    preactivation_norm: Tensor
    activations: Tensor
    largest: Tensor
    scatter_root: Tensor
    scatter_norm: Tensor


@torch.no_grad()
def trunk_sample(trunk: TrunkOutput, alive: Tensor) -> TrunkSample:
    """Examine the trunk at some steps of a flat batch, alive [N], on the device."""
    valid = sampled(alive)
    steps = valid.sum()
    preactivations, features, hidden = (sampled(part.flatten(0, 1)).float() for part in trunk)
    return TrunkSample(
        steps,
        torch.linalg.vector_norm(preactivations * valid[:, None]),
        valid @ features,
        *_scatter(hidden, valid, steps),
    )


def trunk_signs(sample: TrunkSample) -> Signs:
    """The signs that follow from a sample, on the host."""
    measured = sample.steps > 0
    units = len(sample.activations)
    return {
        "feature_rank": _feature_rank(sample),
        "dead_units": MeasuredValue(dead_units(sample.activations), measured),
        "preactivation_norm": MeasuredValue(
            sample.preactivation_norm / (sample.steps * units).clamp_min(1.0).sqrt(), measured
        ),
    }


def sampled(states: Tensor) -> Tensor:
    """At most `STATES` rows of a tensor [N, ...], at equal distances."""
    return states[:: -(-len(states) // STATES)]


def _scatter(features: Tensor, alive: Tensor, steps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The last three fields of a `TrunkSample` from features [N, H] and alive [N]."""
    centred = (features - alive @ features / steps) * alive[:, None]
    norm = torch.linalg.vector_norm
    largest = norm(centred, torch.inf)
    scaled = centred / largest
    return largest, norm(scaled), norm(scaled.t() @ scaled)


def _feature_rank(sample: TrunkSample) -> MeasuredValue:
    """The effective rank of the hidden states, 0-d.

    This participation ratio (tr C)² / tr(C²) of their covariance C counts directions by their share of the
    variance. Unlike ranks from singular values (Kumar et al. 2021; Lyle et al. 2022), it needs no
    decomposition, which would wait for the device. Not measured if the states are constant.
    """
    constant = (sample.steps == 0).logical_or(sample.largest <= 0.0)
    rank = (sample.scatter_root.square() / sample.scatter_norm).square()
    return MeasuredValue(torch.where(constant, 0.0, rank), constant.logical_not())


def dead_units(activations: Tensor) -> Tensor:
    """The share of dormant units of a layer, 0-d (Sokar et al. 2023), from the sums of their activations [H],
    which are not negative."""
    share = (activations <= DORMANT * activations.mean()).float().mean()
    return torch.where(activations.isnan().any(), torch.nan, share)


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
