"""Running totals of an update over its minibatches and epochs, on the device."""

from typing import NamedTuple

import torch
from torch import Tensor

from esper_trainer.layout import HEAD_COUNT
from esper_trainer.optimiser import GradientStatistics
from esper_trainer.statistics import Extremes, Sums


class GradientTotals(NamedTuple):
    """`GradientStatistics` over the steps that were tried; sums, but `norm_before` is the largest.

    tried: number of steps; epochs: number of epochs of which every step was taken.
    """

    norm_before: Tensor
    norm_after: Tensor
    nan: Tensor
    inf: Tensor
    skipped: Tensor
    heads: Tensor
    tried: Tensor
    epochs: Tensor


class Totals(NamedTuple):
    """Everything that an update adds up. Values are replaced, never changed in place."""

    sums: Sums
    extremes: Extremes
    gradients: GradientTotals

    def with_evaluation(self, sums: Sums, extremes: Extremes, stopped: Tensor) -> "Totals":
        """Add an evaluation, unless the update had stopped before it."""
        added = (total + torch.where(stopped, 0.0, new) for total, new in zip(self.sums, sums, strict=True))
        highest = (
            torch.maximum(total, torch.where(stopped, -torch.inf, new))
            for total, new in zip(self.extremes, extremes, strict=True)
        )
        return self._replace(sums=Sums(*added), extremes=Extremes(*highest))

    def with_step(self, step: GradientStatistics, stopped: Tensor) -> "Totals":
        """Add an optimiser step, unless the update has stopped before it."""
        old = self.gradients
        new = GradientStatistics(*(torch.where(stopped, 0.0, value) for value in step))
        gradients = GradientTotals(
            norm_before=torch.maximum(old.norm_before, new.norm_before),
            norm_after=old.norm_after + new.norm_after,
            nan=old.nan + new.nan,
            inf=old.inf + new.inf,
            skipped=old.skipped + new.skipped,
            heads=old.heads + new.heads,
            tried=old.tried + torch.where(stopped, 0.0, 1.0),
            epochs=old.epochs,
        )
        return self._replace(gradients=gradients)

    def with_epoch(self, before: "Totals", steps: int) -> "Totals":
        """Count an epoch of `steps` minibatches if every step was taken since `before`."""
        taken = _taken(self.gradients) - _taken(before.gradients)
        whole = self.gradients.epochs + (taken == steps)
        return self._replace(gradients=self.gradients._replace(epochs=whole))


def _taken(gradients: GradientTotals) -> Tensor:
    return gradients.tried - gradients.skipped


def no_totals(device: torch.device) -> Totals:
    """Where an update starts."""
    zero = torch.zeros((), device=device)
    heads = torch.zeros(HEAD_COUNT, device=device)
    lowest, lowest_heads = zero - torch.inf, heads - torch.inf
    return Totals(
        Sums(*(heads,) * 8, zero, zero),
        Extremes(lowest_heads, lowest_heads, lowest, lowest, lowest),
        GradientTotals(zero, zero, zero, zero, zero, heads, zero, zero),
    )
