"""Sums and extremes over two steps, by hand."""

import math

import pytest
import torch

from esper_trainer.measure.minibatch_statistics import (
    ABSENT,
    PolicyEvaluation,
    kl_divergence,
    minibatch_statistics,
    sums,
)
from esper_trainer.model.policy import LSTMStep, TrunkOutput
from esper_trainer.ppo.batch import RolloutBatch

LN2 = math.log(2.0)
LOG_RATIOS = [[LN2, -LN2, 0.0], [-LN2, -LN2, 3.0], [1.0, 2.0, 3.0]]
RELEVANCE = [[1.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
"""Three heads, three steps, the last of them dead: head 0 counts twice, head 1 once, head 2 never."""


@pytest.fixture
def batch():
    """A flat batch with the fields that the functions read."""
    relevance = torch.tensor(RELEVANCE)
    nothing = torch.zeros(0)
    return RolloutBatch(
        *(nothing,) * 4,
        relevance=relevance,
        availability=nothing,
        learnable=relevance * torch.tensor([1.0, 0.0, 0.0]),
        learnable_scale=relevance * torch.tensor([0.5, 0.0, 0.0]),
        advantages=torch.tensor([5.0, 7.0, 0.0]),
        returns=nothing,
        old_values=nothing,
        alive=torch.tensor([1.0, 1.0, 0.0]),
    )


@pytest.fixture
def evaluation():
    """Ratios 2, 1/2, ...; entropies 1 to 9."""
    log_ratios = torch.tensor(LOG_RATIOS)
    return PolicyEvaluation(
        log_probs=torch.tensor([[-1.0, -2.0, -9.0], [-3.0, -9.0, -9.0], [-9.0, -9.0, -9.0]]),
        entropies=torch.arange(1.0, 10.0).view(3, 3),
        log_ratios=log_ratios,
        ratios=log_ratios.exp(),
        surrogate=torch.ones(3, 3),
        squared_errors=torch.tensor([4.0, 16.0, 100.0]),
        last_step=LSTMStep(*torch.zeros(4, 1, 1)),
        trunk=TrunkOutput(*torch.zeros(3, 1, 1, 1)),
    )


def extremes(evaluation, batch):
    """The extremes of an evaluation."""
    return minibatch_statistics(evaluation, batch, 0.2).extremes


def test_the_joint_log_ratios_are_summed_over_relevant_choices(evaluation, batch):
    """They are those of the ratios that count, for the k1 estimator."""
    relevant = (evaluation.log_ratios * batch.relevance).sum()
    statistics = minibatch_statistics(evaluation, batch, 0.2, detailed=True)

    assert statistics.detail_sums.products[0, 2].item() == pytest.approx(relevant.item())
    assert statistics.detail_extremes.log_prob.item() == -1.0


def test_products_are_those_of_log_ratio_advantage_one_and_excess(evaluation, batch):
    """Joint log-ratios 0 and -ln 2, excesses 0 and -1/2, advantages 5 and 7; the dead step adds nothing."""
    products = minibatch_statistics(evaluation, batch, 0.2, detailed=True).detail_sums.products

    assert products[0, 1].item() == pytest.approx(-LN2 * 7)
    assert products[1, 2].item() == 12.0
    assert products[3, 2:].tolist() == pytest.approx([-0.5, 0.25])
    assert products[2, 2].item() == 2.0


def test_sums_count_relevant_steps_alone(evaluation, batch):
    """Ratios beyond 1 +- 0.2: head 0 rose once and fell once, head 1 fell once."""
    result = sums(evaluation, batch, 0.2)

    assert result.relevant.tolist() == [2.0, 1.0, 0.0]
    assert result.entropy.tolist() == [1.0 + 2.0, 4.0, 0.0]
    assert result.clipped_above.tolist() == [1.0, 0.0, 0.0]
    assert result.clipped_below.tolist() == [1.0, 1.0, 0.0]
    assert result.surrogate.tolist() == [2.0, 1.0, 0.0]
    assert result.learnable.tolist() == [1.0, 1.0, 0.0]
    assert result.entropy_legal.tolist() == [0.5, 2.0, 0.0]
    assert (result.squared_errors.item(), result.steps.item()) == (20.0, 2.0)


def test_kl_is_the_mean_over_all_relevant_choices(evaluation, batch):
    """(2 - 1 - ln 2), (1/2 - 1 + ln 2) twice: (1 - ln 2 + 2 ln 2 - 1) / 3 = ln 2 / 3."""
    assert kl_divergence(sums(evaluation, batch, 0.2)).item() == pytest.approx(LN2 / 3)


def test_extremes_see_relevant_steps_alone(evaluation, batch):
    """The ratio of head 1 only fell, so that its maximum is below 1; head 2 has none."""
    result = extremes(evaluation, batch)

    assert result.log_ratio[:2].tolist() == pytest.approx([LN2, -LN2])
    assert (-result.negative_log_ratio)[:2].tolist() == pytest.approx([-LN2, -LN2])
    assert result.log_ratio[2] < -ABSENT / 2
    assert result.negative_log_prob.item() == 3.0


def test_the_joint_ratio_adds_up_relevant_heads(evaluation, batch):
    """Step 0: ln 2 - ln 2 = 0; step 1: -ln 2; the dead step does not count."""
    result = extremes(evaluation, batch)

    assert result.joint_log_ratio.item() == pytest.approx(0.0)
    assert -result.negative_joint_log_ratio.item() == pytest.approx(-LN2)


def test_tele_150_the_joint_log_ratio_is_clamped_to_30(evaluation, batch):
    """Two heads with 20 each add up to 40."""
    log_ratios = torch.full((3, 3), 20.0)
    exploded = evaluation._replace(log_ratios=log_ratios, ratios=log_ratios.exp())

    assert extremes(exploded, batch).joint_log_ratio.item() == 30.0


def test_nan_is_an_extreme(evaluation, batch):
    """A maximum that hides NaN would look healthy."""
    log_ratios = torch.tensor(LOG_RATIOS)
    log_ratios[0, 0] = torch.nan

    result = extremes(evaluation._replace(log_ratios=log_ratios), batch)

    assert result.log_ratio[0].isnan()
    assert result.joint_log_ratio.isnan()
