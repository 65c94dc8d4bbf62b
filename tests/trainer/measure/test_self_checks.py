"""Identities of a correct update hold up to rounding, and an error of any of their parts breaks them."""

import math

import pytest
import torch

from esper_trainer.measure.minibatch_statistics import DetailSums
from esper_trainer.measure.running_totals import RunningTotals
from esper_trainer.measure.self_checks import (
    RewardComparison,
    RewardSource,
    compare_rewards,
    gae_residual,
    reward_checksum_error,
    reward_checksums,
    self_check_metrics,
    unmeasured_checks,
)
from esper_trainer.ppo.batch import MIN_DEVIATION, RolloutBatch, moments
from esper_trainer.ppo.gae import advantages, td_errors

GAMMA, LAMBDA = 0.9, 0.8
STEPS, ENVIRONMENTS = 12, 5
ZERO = torch.zeros(())


def seeded(seed):
    """A generator of its own."""
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def rollout():
    """Rewards and values [T, N] of episodes of which one is suspended for three steps."""
    rewards, values = torch.randn(2, STEPS, ENVIRONMENTS, generator=seeded(0))
    alive = torch.ones_like(rewards)
    alive[4:7, 1] = 0.0
    return rewards * alive, values, alive


def residual(rollout, *, rewards=None, change=lambda values: values):
    """The residual of the normalised advantages of a rollout, which may be changed."""
    learner_rewards, values, alive = rollout
    raw = advantages(td_errors(learner_rewards, values, alive, GAMMA), alive, GAMMA, LAMBDA)
    normalisation = moments(raw, alive)
    used = change((raw - normalisation.mean) / (normalisation.std + MIN_DEVIATION))
    fields = dict.fromkeys(RolloutBatch._fields, ZERO)
    batch = RolloutBatch(**fields | {"advantages": used, "old_values": values, "alive": alive})
    of_environment = learner_rewards if rewards is None else rewards
    source = RewardSource(of_environment, normalisation, GAMMA, LAMBDA)
    compared = compare_rewards(batch, None, learner_rewards, source)
    return gae_residual(compared, values.abs().amax()).item()


def checksum_error(learner, environment):
    """The error of the learner's rewards."""
    difference, checksum = reward_checksums(learner, environment)
    return reward_checksum_error(RewardComparison(ZERO, ZERO, difference, checksum)).item()


class TestGAEResidual:
    """The advantages that the loss reads satisfy their recursion."""

    def test_it_is_rounding_for_correct_advantages(self, rollout):
        """Steps of a suspended environment do not count."""
        assert residual(rollout) < 1e-5

    @pytest.mark.parametrize(
        "change",
        [
            torch.neg,
            lambda values: values.flatten()[torch.randperm(60, generator=seeded(1))].view_as(values),
            lambda values: values.roll(1, 0),
            lambda values: 2.0 * values,
        ],
        ids=["sign", "shuffled", "late", "scaled"],
    )
    def test_it_is_large_for_other_advantages(self, rollout, change):
        """They have another sign, belong to other steps, or are scaled."""
        assert residual(rollout, change=change) > 0.3

    def test_it_is_large_for_rewards_of_other_steps(self, rollout):
        """The environment returned each reward one step earlier than the learner has it."""
        rewards, *_ = rollout

        assert residual(rollout, rewards=rewards.roll(-1, 0)) > 0.3

    def test_a_wrong_estimation_is_found(self, rollout):
        """Advantages without the bootstrap value of the next step violate the recursion."""
        rewards, values, alive = rollout
        without = (rewards, torch.zeros_like(values), alive)

        assert residual(without) < 1e-5
        assert residual(rollout, change=lambda used: used + 0.1 * values) > 0.01


class TestRewardChecksum:
    """Learner and environment have the same rewards at the same steps."""

    def test_it_is_exactly_0_for_equal_rewards(self, rollout):
        """There is no rounding."""
        assert checksum_error(rollout[0], rollout[0].clone()) == 0.0

    def test_late_rewards_are_found(self, rollout):
        """A delay of one step has the same sum of rewards, but not of t * r."""
        assert checksum_error(rollout[0].roll(1, 0), rollout[0]) > 0.01

    def test_differences_of_two_environments_do_not_cancel(self):
        """One has a reward of 1 too much, the other one a reward of 1 too little."""
        environment = torch.ones(4, 2)
        learner = environment.clone()
        learner[2, 0], learner[2, 1] = 2.0, 0.0

        assert checksum_error(learner, environment) == pytest.approx(6 / 20)

    def test_without_rewards_it_is_0(self):
        """Nothing is divided by 0."""
        assert checksum_error(torch.zeros(4, 2), torch.zeros(4, 2)) == 0.0


@pytest.fixture
def totals():
    """Two optimiser steps; no evaluation."""
    totals = RunningTotals(torch.device("cpu"), 2).read()
    gradients = totals.gradients._replace(
        value=torch.tensor(6.0), layers=torch.tensor([2 * 9.0, 2 * 16.0]), attempted=torch.tensor(2.0)
    )
    return totals._replace(gradients=gradients)


def correlation(totals, columns, checks=None):
    """The correlation of log-ratios and advantages, [2, N]."""
    rows = torch.cat((columns, torch.ones_like(columns)))
    sums = DetailSums(rows @ rows.t())
    metrics = self_check_metrics(checks or unmeasured_checks(ZERO), totals._replace(detail_sums=sums))
    return metrics["advantage_correlation"]


class TestAdvantageCorrelation:
    """The correlation follows from the sums of products."""

    def test_it_is_that_of_pearson(self, totals):
        """NumPy's or torch's corrcoef gives the same number, also for values that are not centred."""
        columns = torch.randn(2, 50, generator=seeded(2)) * 0.1 + 0.05

        value, measured = correlation(totals, columns)

        assert measured
        assert value.item() == pytest.approx(torch.corrcoef(columns)[0, 1].item(), abs=1e-5)

    def test_an_update_that_did_not_move_the_policy_has_none(self, totals):
        """All log-ratios are 0, as in a single step on the whole rollout."""
        columns = torch.stack((torch.zeros(50), torch.randn(50, generator=seeded(3))))

        assert not correlation(totals, columns).measured

    @pytest.mark.parametrize(("error", "measured"), [(1e-6, True), (0.5, False)])
    def test_advantages_that_are_known_to_be_wrong_have_none(self, totals, error, measured):
        """The policy may follow them as it should."""
        checks = unmeasured_checks(ZERO)
        known = checks.gae_residual._replace(value=torch.tensor(error), measured=torch.tensor(True))

        result = correlation(
            totals, torch.randn(2, 50, generator=seeded(3)), checks._replace(gae_residual=known)
        )

        assert bool(result.measured) is measured


def test_the_share_of_the_critic_in_the_gradient(totals):
    """A mean norm of 3 in a root mean square of 5."""
    share = self_check_metrics(unmeasured_checks(ZERO), totals)["value_gradient_share"]

    assert share.measured
    assert share.value.item() == pytest.approx(3 / 5)


def test_without_a_gradient_there_is_no_share(totals):
    """0 of 0 is not measured."""
    none = totals._replace(gradients=totals.gradients._replace(layers=torch.zeros(2), value=ZERO))

    assert not self_check_metrics(unmeasured_checks(ZERO), none)["value_gradient_share"].measured


def test_checks_that_were_not_made_are_not_measured():
    """They are not 0, which would be healthy."""
    assert not any(check.measured for check in unmeasured_checks(ZERO))
    assert math.isfinite(sum(check.value for check in unmeasured_checks(ZERO)))
