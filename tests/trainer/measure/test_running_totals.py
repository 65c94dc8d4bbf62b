"""Totals include what happened before an update stopped, and nothing after."""

import pytest
import torch

from esper_trainer.measure.minibatch_statistics import (
    DetailExtremes,
    DetailSums,
    Extremes,
    MinibatchStatistics,
    Sums,
)
from esper_trainer.measure.running_totals import RunningTotals
from esper_trainer.ppo.policy_optimiser import GradientStatistics

CONTINUES, STOPPED = torch.tensor(False), torch.tensor(True)


@pytest.fixture
def totals():
    """Empty totals."""
    return RunningTotals(torch.device("cpu"), 3)


def evaluation(value, *, detailed=True):
    """Statistics that are all the same number."""
    heads, scalar = torch.full((8,), value), torch.tensor(value)
    sums, extremes = Sums(*(heads,) * 8, scalar, scalar), Extremes(heads, heads, scalar, scalar, scalar)
    details = DetailSums(scalar.repeat(4, 4)), DetailExtremes(scalar)
    return MinibatchStatistics(sums, extremes, *(details if detailed else (None, None)))


def step(norm, skipped=0.0):
    """The statistics of an optimiser step."""
    scalar, zero = torch.tensor(norm), torch.tensor(0)
    heads, layers = scalar.repeat(8), scalar.repeat(3)
    return GradientStatistics(scalar, scalar, zero, zero, torch.tensor(skipped), heads, scalar, layers)


def as_text(totals):
    """All totals as text."""
    return str(totals.read())


def test_sums_are_added_and_extremes_kept(totals):
    """2 + 1 = 3; max(2, 1) = 2."""
    for value in (2.0, 1.0):
        totals.add_evaluation(evaluation(value), CONTINUES)

    assert totals.read().detail_sums.products.tolist() == [[3.0] * 4] * 4
    assert totals.read().detail_extremes.log_prob.item() == 2.0
    assert totals.read().sums.entropy.tolist() == [3.0] * 8
    assert totals.read().sums.steps.item() == 3.0
    assert totals.read().extremes.log_ratio.tolist() == [2.0] * 8


def test_statistics_without_details_are_added(totals):
    """The details stay empty below level NORMAL."""
    totals.add_evaluation(evaluation(2.0, detailed=False), CONTINUES)

    assert totals.read().sums.steps.item() == 2.0
    assert totals.read().detail_sums.products.count_nonzero() == 0


def test_what_follows_a_stop_is_ignored(totals):
    """Even NaN is ignored."""
    totals.add_evaluation(evaluation(2.0), CONTINUES)
    before = as_text(totals)

    totals.add_evaluation(evaluation(torch.nan), STOPPED)
    totals.add_step(step(torch.nan), STOPPED)

    assert as_text(totals) == before


def test_nan_stays(totals):
    """It stays in sums, in extremes and in norms; a maximum does not hide it."""
    for value in (1.0, torch.nan, 2.0):
        totals.add_evaluation(evaluation(value), CONTINUES)
        totals.add_step(step(value), CONTINUES)
    read = totals.read()

    assert read.sums.kl.isnan().all()
    assert read.extremes.joint_log_ratio.isnan()
    assert read.gradients.norm_before.isnan()
    assert read.gradients.norm_after.isnan()


def test_gradient_norms_before_clipping_keep_the_largest(totals):
    """Norms after clipping, and those of the heads, are added up for a mean."""
    for norm in (3.0, 1.0):
        totals.add_step(step(norm), CONTINUES)
    gradients = totals.read().gradients

    assert gradients.norm_before.item() == 3.0
    assert gradients.norm_after.item() == 4.0
    assert gradients.heads.tolist() == [4.0] * 8
    assert gradients.value.item() == 4.0
    assert gradients.layers.tolist() == [4.0] * 3
    assert gradients.attempted.item() == 2.0


def test_an_epoch_counts_if_every_step_of_it_was_taken(totals):
    """Of four epochs, one with a skipped step and one that was stopped do not count."""
    for second, stopped in ((0.0, CONTINUES), (1.0, CONTINUES), (0.0, CONTINUES), (0.0, STOPPED)):
        totals.add_step(step(1.0), CONTINUES)
        totals.add_step(step(1.0, second), stopped)
        totals.end_epoch(2)

    assert totals.read().gradients.epochs.item() == 2.0
    assert totals.read().gradients.skipped.item() == 1.0
