"""Identities that hold in every correct update, measured in its first minibatch.

Before the first optimiser step the policy is the one that acted, so that all ratios are 1; the advantages
that the loss reads follow by GAE from the values and from the rewards that the environment returned; and the
learner has these rewards at the steps at which they were returned.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from esper_trainer.measure.minibatch_statistics import PolicyEvaluation, Sums
from esper_trainer.measure.packed_metrics import MeasuredValue, measured_value
from esper_trainer.measure.running_totals import Totals
from esper_trainer.ppo.batch import MIN_DEVIATION, Moments, RolloutBatch

ROUNDING = 1e-3
"""Rounding of values may be large beside smaller advantages than this share of the values."""

MIN_MAGNITUDE = 1e-8
"""Added to divisors, in units of reward."""

LARGEST_RESIDUAL = 1e-2
"""Up to this residual the advantages are those of the rewards, so that their correlation says something."""

MIN_LOG_RATIO = 1e-7
"""The root mean square of log-ratios below which the policy has not moved but for rounding."""


class RewardSource(NamedTuple):
    """What the advantages must follow from, beside the values.

    rewards [T, N]: where the environment returned them. normalisation: with which the advantages were
    normalised. gamma, gae_lambda: of GAE.
    """

    rewards: Tensor
    normalisation: Moments
    gamma: float
    gae_lambda: float


class SelfChecks(NamedTuple):
    """The checks of one update, 0-d each; see the metrics of the same names."""

    initial_ratio_max: MeasuredValue
    initial_kl: MeasuredValue
    gae_residual: MeasuredValue
    reward_checksum_error: MeasuredValue


def unmeasured_checks(like: Tensor) -> SelfChecks:
    """Checks of which none was made."""
    return SelfChecks(*(_unmeasured(like) for _ in SelfChecks._fields))


def _unmeasured(like: Tensor) -> MeasuredValue:
    zero = torch.zeros_like(like)
    return MeasuredValue(zero, zero.bool())


@torch.no_grad()
def self_checks(
    batch: RolloutBatch,
    evaluation: PolicyEvaluation,
    sums: Sums,
    environments: Tensor | None,
    learner_rewards: Tensor,
    source: RewardSource | None,
) -> SelfChecks:
    """The checks of the first minibatch [T, B], which has some of the environments, or all for None.

    evaluation, sums: before the first optimiser step. learner_rewards [T, N]: those of the learner. Without a
    source of rewards, only the policy is checked.
    """
    choices = sums.relevant.sum()
    error = ((evaluation.ratios - 1.0).abs() * batch.relevance.flatten(1)).amax()
    checks = unmeasured_checks(choices)._replace(
        initial_ratio_max=MeasuredValue(error, choices > 0),
        initial_kl=MeasuredValue(sums.kl.sum() / choices.clamp_min(1.0), choices > 0),
    )
    if source is None:
        return checks
    rewards = source.rewards if environments is None else source.rewards.index_select(1, environments)
    return checks._replace(
        gae_residual=measured_value(gae_residual(batch, rewards, source)),
        reward_checksum_error=measured_value(reward_checksum_error(learner_rewards, source.rewards)),
    )


def gae_residual(batch: RolloutBatch, rewards: Tensor, source: RewardSource) -> Tensor:
    """The largest error of A_t = r_t + gamma * (V_{t+1} + lambda * A_{t+1}) - V_t over the valid steps of a
    minibatch [T, B], in standard deviations of the advantages; where these are small beside the values, in
    a thousandth of these.

    It needs no second estimation of the advantages, and so finds errors of the first one, too.
    """
    normalisation, alive = source.normalisation, batch.alive
    used = torch.addcmul(normalisation.mean, batch.advantages, normalisation.std + MIN_DEVIATION)
    following = (batch.old_values + source.gae_lambda * used)[1:] * alive[1:]
    expected = rewards - batch.old_values
    expected[:-1] += source.gamma * following
    error = ((used - expected) * alive).abs().amax()
    return error / (normalisation.std + ROUNDING * (batch.old_values * alive).abs().amax() + MIN_DEVIATION)


def reward_checksum_error(learner: Tensor, environment: Tensor) -> Tensor:
    """The difference of the sums of t * r over the steps of [T, N], as a share of the sum of t * |r|.

    Differences in several environments do not cancel.
    """
    times = torch.arange(1, len(learner) + 1, dtype=learner.dtype, device=learner.device)
    difference = (times @ (learner - environment)).abs().sum()
    return difference / ((times @ environment.abs()).sum() + MIN_MAGNITUDE)


def self_check_metrics(checks: SelfChecks, totals: Totals) -> dict[str, MeasuredValue]:
    """All metrics of this module, by payload field."""
    return {
        **checks._asdict(),
        "advantage_correlation": _advantage_correlation(checks, totals),
        "value_gradient_share": _value_gradient_share(totals),
    }


def _advantage_correlation(checks: SelfChecks, totals: Totals) -> MeasuredValue:
    """Not measured where the policy did not move, or where the advantages are known to be wrong."""
    products = totals.detail_sums.products
    count = products[-1, -1].clamp_min(1.0)
    centred = products - products[:, -1:] * products[-1:] / count
    log_ratios, advantages, _ = centred.diagonal().unbind()
    correlation = centred[0, 1] / (log_ratios * advantages).clamp_min(MIN_MAGNITUDE**4).sqrt()
    residual = checks.gae_residual
    known_wrong = residual.measured.logical_and(residual.value > LARGEST_RESIDUAL)
    measured = (log_ratios > MIN_LOG_RATIO**2 * count).logical_and(known_wrong.logical_not())
    return MeasuredValue(correlation.clamp(-1.0, 1.0), measured)


def _value_gradient_share(totals: Totals) -> MeasuredValue:
    """The mean norm of the critic's own row over the root mean square of the norm, over all steps."""
    gradients = totals.gradients
    attempted = gradients.attempted.clamp_min(1.0)
    whole = (gradients.layers.sum() / attempted).sqrt()
    share = gradients.value / attempted / whole.clamp_min(torch.finfo(whole.dtype).tiny)
    return MeasuredValue(share.clamp_max(1.0), whole > 0)
