"""Identities that hold in every correct update, measured in its first minibatch.

Before the first optimiser step the policy is the one that acted, so that all ratios are 1; the advantages
that the loss reads follow by GAE from the values and from the rewards that the environment returned; and the
learner has these rewards at the steps at which they were returned.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from esper_trainer.measure.minibatch_statistics import Extremes, Sums
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


class RewardComparison(NamedTuple):
    """Advantages and rewards of the learner against the rewards of the environment, 0-d each.

    gae_error: see `gae_error`. deviation: the standard deviation of the advantages. checksum_difference,
    checksum: see `reward_checksums`.
    """

    gae_error: Tensor
    deviation: Tensor
    checksum_difference: Tensor
    checksum: Tensor


class FirstMinibatch(NamedTuple):
    """What the first minibatch of an update shows, before any step.

    sums, extremes: of its evaluation. rewards: None without a source of rewards.
    """

    sums: Sums
    extremes: Extremes
    rewards: RewardComparison | None


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
def compare_rewards(
    batch: RolloutBatch, environments: Tensor | None, learner_rewards: Tensor, source: RewardSource
) -> RewardComparison:
    """Compare the first minibatch [T, B], which has some of the environments, or all for None.

    learner_rewards [T, N]: those of the learner.
    """
    rewards = source.rewards if environments is None else source.rewards.index_select(1, environments)
    return RewardComparison(
        gae_error(batch, rewards, source),
        source.normalisation.std,
        *reward_checksums(learner_rewards, source.rewards),
    )


def self_checks(first: FirstMinibatch, largest_value: Tensor) -> SelfChecks:
    """The checks that follow from the first minibatch, on the host.

    largest_value 0-d: the largest magnitude of the critic's values.
    """
    choices = first.sums.relevant.sum()
    checks = unmeasured_checks(choices)._replace(
        initial_ratio_max=MeasuredValue(_largest_ratio_error(first), choices > 0),
        initial_kl=MeasuredValue(first.sums.kl.sum() / choices.clamp_min(1.0), choices > 0),
    )
    if first.rewards is None:
        return checks
    return checks._replace(
        gae_residual=measured_value(gae_residual(first.rewards, largest_value)),
        reward_checksum_error=measured_value(reward_checksum_error(first.rewards)),
    )


def _largest_ratio_error(first: FirstMinibatch) -> Tensor:
    """The largest |ratio - 1| of a relevant choice, 0-d."""
    extremes, measured = first.extremes, first.sums.relevant > 0
    errors = torch.stack((extremes.log_ratio.expm1(), -(-extremes.negative_log_ratio).expm1()))
    return torch.where(measured, errors, 0.0).amax().clamp_min(0.0)


def gae_error(batch: RolloutBatch, rewards: Tensor, source: RewardSource) -> Tensor:
    """The largest error of A_t = r_t + gamma * (V_{t+1} + lambda * A_{t+1}) - V_t over the valid steps of a
    minibatch [T, B], 0-d, in units of reward.

    It needs no second estimation of the advantages, and so finds errors of the first one, too.
    """
    normalisation, alive = source.normalisation, batch.alive
    used = torch.addcmul(normalisation.mean, batch.advantages, normalisation.std + MIN_DEVIATION)
    following = batch.old_values.add(used, alpha=source.gae_lambda)[1:] * alive[1:]
    expected = rewards - batch.old_values
    expected[:-1].add_(following, alpha=source.gamma)
    error: Tensor = torch.linalg.vector_norm((used - expected) * alive, torch.inf)
    return error


def gae_residual(compared: RewardComparison, largest_value: Tensor) -> Tensor:
    """The error of the advantages in their standard deviations; where these are small beside the values, in a
    thousandth of these."""
    return compared.gae_error / (compared.deviation + ROUNDING * largest_value + MIN_DEVIATION)


def reward_checksums(learner: Tensor, environment: Tensor) -> tuple[Tensor, Tensor]:
    """The sums over environments of |sum of t * difference| and of the sum of t * |r| over the steps of
    [T, N].

    Differences in several environments do not cancel.
    """
    times = torch.arange(1, len(learner) + 1, dtype=learner.dtype, device=learner.device)
    difference: Tensor = torch.linalg.vector_norm(times @ (learner - environment), 1)
    checksum: Tensor = torch.linalg.vector_norm(times[:, None] * environment, 1)
    return difference, checksum


def reward_checksum_error(compared: RewardComparison) -> Tensor:
    """The difference of the checksums as a share of the environment's."""
    return compared.checksum_difference / (compared.checksum + MIN_MAGNITUDE)


def self_check_metrics(checks: SelfChecks, totals: Totals) -> dict[str, MeasuredValue]:
    """All metrics of this module, by payload field."""
    return {
        **checks._asdict(),
        "advantage_correlation": _advantage_correlation(checks, totals),
        "value_gradient_share": _value_gradient_share(totals),
    }


def _advantage_correlation(checks: SelfChecks, totals: Totals) -> MeasuredValue:
    """Not measured where the policy did not move, or where the advantages are known to be wrong."""
    products = totals.detail_sums.products[:3, :3]
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
