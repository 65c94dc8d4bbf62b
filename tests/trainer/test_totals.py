"""Totals add up what happened before an update stopped, and nothing after."""

import torch

from esper_trainer.optimiser import GradientStatistics
from esper_trainer.statistics import Extremes, Sums
from esper_trainer.totals import no_totals

CPU = torch.device("cpu")
GOES_ON, STOPPED = torch.tensor(False), torch.tensor(True)


def evaluation(value):
    """Sums and extremes that are all the same number."""
    heads, scalar = torch.full((8,), value), torch.tensor(value)
    return Sums(*(heads,) * 8, scalar, scalar), Extremes(heads, heads, scalar, scalar, scalar)


def step(norm, skipped=0.0):
    """An optimiser step."""
    scalar = torch.tensor(norm)
    zero = torch.tensor(0.0)
    return GradientStatistics(scalar, scalar, zero, zero, torch.tensor(skipped), scalar.repeat(8))


def test_sums_are_added_and_extremes_kept():
    """2 + 1 = 3; max(2, 1) = 2."""
    totals = no_totals(CPU)
    for value in (2.0, 1.0):
        totals = totals.with_evaluation(*evaluation(value), GOES_ON)

    assert totals.sums.entropy.tolist() == [3.0] * 8
    assert totals.extremes.log_ratio.tolist() == [2.0] * 8


def test_what_follows_a_stop_leaves_no_trace():
    """Not even if it is not a number."""
    totals = no_totals(CPU).with_evaluation(*evaluation(2.0), GOES_ON)
    after = totals.with_evaluation(*evaluation(torch.nan), STOPPED).with_step(step(torch.nan), STOPPED)

    for part, same in zip(totals, after, strict=True):
        for one, other in zip(part, same, strict=True):
            assert torch.equal(one, other)


def test_gradient_norms_before_clipping_keep_the_largest():
    """After clipping they are added up, for a mean."""
    totals = no_totals(CPU).with_step(step(3.0), GOES_ON).with_step(step(1.0), GOES_ON)

    assert totals.gradients.norm_before.item() == 3.0
    assert totals.gradients.norm_after.item() == 4.0
    assert totals.gradients.tried.item() == 2.0


def test_an_epoch_counts_if_every_step_of_it_was_taken():
    """Two whole ones; one with a skipped step, and one that was stopped, do not count."""
    totals = no_totals(CPU)
    for second, stopped in ((0.0, GOES_ON), (1.0, GOES_ON), (0.0, GOES_ON), (0.0, STOPPED)):
        before = totals
        totals = totals.with_step(step(1.0), GOES_ON).with_step(step(1.0, second), stopped)
        totals = totals.with_epoch(before, 2)

    assert totals.gradients.epochs.item() == 2.0
    assert totals.gradients.skipped.item() == 1.0
