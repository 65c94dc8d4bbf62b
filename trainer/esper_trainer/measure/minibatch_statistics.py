"""Statistics of one minibatch: sums and extremes, as tensors on the device.

Each is a reduction of [8, N] tensors that the losses compute anyway. A mean over several minibatches and
epochs is one sum divided by one count, never a mean of means.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from esper_trainer.model.policy import LSTMStep
from esper_trainer.ppo.batch import RolloutBatch
from esper_trainer.ppo.losses import JOINT_LOG_RATIO_LIMIT, kl_estimate

ABSENT = 1e30
"""Excludes entries from a maximum or minimum; far beyond any clamped log-ratio."""


class PolicyEvaluation(NamedTuple):
    """One evaluation of the policy on a flat batch, without gradients.

    Per head and step [8, N]: log_probs, entropies, log_ratios, ratios, surrogate. squared_errors [N]: of the
    critic. last_step: of the LSTM; hidden [T, B, H]: its output.
    """

    log_probs: Tensor
    entropies: Tensor
    log_ratios: Tensor
    ratios: Tensor
    surrogate: Tensor
    squared_errors: Tensor
    last_step: LSTMStep
    hidden: Tensor


class Sums(NamedTuple):
    """Sums over steps; [8] each except the last two, which are 0-d.

    relevant: number of relevant steps. entropy, kl, clipped_above, clipped_below, surrogate: over relevant
    steps, where clipped_above and clipped_below count ratios beyond the clip range. learnable: number of
    steps with more than one legal choice; entropy_legal: normalised entropy over these.
    """

    relevant: Tensor
    entropy: Tensor
    kl: Tensor
    clipped_above: Tensor
    clipped_below: Tensor
    surrogate: Tensor
    learnable: Tensor
    entropy_legal: Tensor
    squared_errors: Tensor
    steps: Tensor


class Extremes(NamedTuple):
    """Maxima; [8] per head or 0-d. Minima are stored with inverted sign.

    For a head that was never relevant they are at most -`ABSENT`.
    """

    log_ratio: Tensor
    negative_log_ratio: Tensor
    joint_log_ratio: Tensor
    negative_joint_log_ratio: Tensor
    negative_log_prob: Tensor


def sums(evaluation: PolicyEvaluation, batch: RolloutBatch, clip_range: float) -> Sums:
    """Sum one evaluation of a flat batch."""
    ratios, relevance = evaluation.ratios, batch.relevance
    return Sums(
        relevant=relevance.sum(1),
        entropy=(evaluation.entropies * relevance).sum(1),
        kl=(kl_estimate(evaluation.log_ratios, ratios) * relevance).sum(1),
        clipped_above=((ratios > 1.0 + clip_range) * relevance).sum(1),
        clipped_below=((ratios < 1.0 - clip_range) * relevance).sum(1),
        surrogate=(evaluation.surrogate * relevance).sum(1),
        learnable=batch.learnable.sum(1),
        entropy_legal=(evaluation.entropies * batch.learnable_scale).sum(1),
        squared_errors=(evaluation.squared_errors * batch.alive).sum(),
        steps=batch.alive.sum(),
    )


def extremes(evaluation: PolicyEvaluation, batch: RolloutBatch) -> Extremes:
    """The extremes of one evaluation of a flat batch over relevant steps."""
    absent = (batch.relevance - 1.0) * ABSENT
    log_ratios = evaluation.log_ratios * batch.relevance
    joint = _joint_log_ratio(evaluation, batch)
    dead = (batch.alive - 1.0) * ABSENT
    return Extremes(
        log_ratio=(absent + log_ratios).amax(1),
        negative_log_ratio=(absent - log_ratios).amax(1),
        joint_log_ratio=(dead + joint).amax(),
        negative_joint_log_ratio=(dead - joint).amax(),
        negative_log_prob=(absent - evaluation.log_probs * batch.relevance).amax(),
    )


class DetailSums(NamedTuple):
    """Sums for telemetry level NORMAL.

    joint_excess, joint_excess_square: of the joint ratio minus 1, and of its square. products [3, 3]: of the
    products of joint log-ratio, advantage and 1, from which their correlation follows.
    """

    joint_excess: Tensor
    joint_excess_square: Tensor
    products: Tensor


class DetailExtremes(NamedTuple):
    """The largest log-probability of a relevant choice, for telemetry level NORMAL."""

    log_prob: Tensor


def detail_sums(evaluation: PolicyEvaluation, batch: RolloutBatch) -> DetailSums:
    """Sum one evaluation of a flat batch."""
    log_ratios = _joint_log_ratio(evaluation, batch)
    excess = (log_ratios.exp() - 1.0) * batch.alive
    columns = torch.stack((log_ratios, batch.advantages * batch.alive, batch.alive))
    return DetailSums(excess.sum(), excess.square().sum(), columns @ columns.t())


def detail_extremes(evaluation: PolicyEvaluation, batch: RolloutBatch) -> DetailExtremes:
    """The extremes of one evaluation of a flat batch."""
    absent = (batch.relevance - 1.0) * ABSENT
    return DetailExtremes((absent + evaluation.log_probs * batch.relevance).amax())


def _joint_log_ratio(evaluation: PolicyEvaluation, batch: RolloutBatch) -> Tensor:
    joint = (evaluation.log_ratios * batch.relevance).sum(0)
    return joint.clamp(-JOINT_LOG_RATIO_LIMIT, JOINT_LOG_RATIO_LIMIT)


def kl_divergence(totals: Sums) -> Tensor:
    """The mean over all relevant choices of all heads, 0-d."""
    return totals.kl.sum() / totals.relevant.sum().clamp_min(1.0)
