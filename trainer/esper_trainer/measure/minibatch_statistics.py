"""Statistics of one minibatch: sums and extremes, as tensors on the device.

Each is a reduction of [8, N] tensors that the losses compute anyway. A mean over several minibatches and
epochs is one sum divided by one count, never a mean of means.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from esper_trainer.model.policy import LSTMStep, TrunkOutput
from esper_trainer.ppo.batch import RolloutBatch
from esper_trainer.ppo.losses import JOINT_LOG_RATIO_LIMIT, kl_estimate

ABSENT = 1e30
"""Excludes entries from a maximum or minimum; far beyond any clamped log-ratio."""


class PolicyEvaluation(NamedTuple):
    """One evaluation of the policy on a flat batch, without gradients.

    Per head and step [8, N]: log_probs, entropies, log_ratios, ratios, surrogate. squared_errors [N]: of the
    critic. last_step: of the LSTM; trunk: of all steps.
    """

    log_probs: Tensor
    entropies: Tensor
    log_ratios: Tensor
    ratios: Tensor
    surrogate: Tensor
    squared_errors: Tensor
    last_step: LSTMStep
    trunk: TrunkOutput


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


class DetailSums(NamedTuple):
    """Sums for telemetry level NORMAL.

    products [4, 4]: of the products of joint log-ratio, advantage, 1, and joint ratio minus 1.
    """

    products: Tensor


class DetailExtremes(NamedTuple):
    """The largest log-probability of a relevant choice, for telemetry level NORMAL."""

    log_prob: Tensor


class MinibatchStatistics(NamedTuple):
    """All statistics of a minibatch; the details are None below telemetry level NORMAL."""

    sums: Sums
    extremes: Extremes
    detail_sums: DetailSums | None
    detail_extremes: DetailExtremes | None


class _RelevantColumns(NamedTuple):
    """Columns [8, N] that are 0 where a choice was not relevant, except absent, which is -`ABSENT` there and
    0 elsewhere; and the joint log-ratio [N]."""

    absent: Tensor
    log_ratios: Tensor
    log_probs: Tensor
    joint: Tensor


def minibatch_statistics(
    evaluation: PolicyEvaluation, batch: RolloutBatch, clip_range: float, *, detailed: bool = False
) -> MinibatchStatistics:
    """The statistics of one evaluation of a flat batch; `detailed` adds those for telemetry level NORMAL."""
    columns = _relevant_columns(evaluation, batch)
    return MinibatchStatistics(
        sums(evaluation, batch, clip_range),
        _extremes(columns, batch),
        _detail_sums(columns, batch) if detailed else None,
        DetailExtremes((columns.absent + columns.log_probs).amax()) if detailed else None,
    )


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


def _relevant_columns(evaluation: PolicyEvaluation, batch: RolloutBatch) -> _RelevantColumns:
    log_ratios = evaluation.log_ratios * batch.relevance
    return _RelevantColumns(
        absent=(batch.relevance - 1.0) * ABSENT,
        log_ratios=log_ratios,
        log_probs=evaluation.log_probs * batch.relevance,
        joint=log_ratios.sum(0).clamp(-JOINT_LOG_RATIO_LIMIT, JOINT_LOG_RATIO_LIMIT),
    )


def _extremes(columns: _RelevantColumns, batch: RolloutBatch) -> Extremes:
    """The extremes over relevant steps."""
    absent, log_ratios, log_probs, joint = columns
    dead = (batch.alive - 1.0) * ABSENT
    return Extremes(
        log_ratio=(absent + log_ratios).amax(1),
        negative_log_ratio=(absent - log_ratios).amax(1),
        joint_log_ratio=(dead + joint).amax(),
        negative_joint_log_ratio=(dead - joint).amax(),
        negative_log_prob=(absent - log_probs).amax(),
    )


def _detail_sums(columns: _RelevantColumns, batch: RolloutBatch) -> DetailSums:
    """One matrix product instead of a sum for each pair; all rows are 0 where a step is not valid."""
    joint = columns.joint
    rows = torch.stack((joint, batch.advantages, batch.alive, joint.expm1()))
    return DetailSums(rows @ rows.t())


def kl_divergence(totals: Sums) -> Tensor:
    """The mean over all relevant choices of all heads, 0-d."""
    return totals.kl.sum() / totals.relevant.sum().clamp_min(1.0)
