"""Running totals of an update over its minibatches and epochs, on the device."""

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from esper_trainer.device.host_transfer import pack, unpack
from esper_trainer.measure.minibatch_statistics import (
    DetailExtremes,
    DetailSums,
    Extremes,
    MinibatchStatistics,
    Sums,
)
from esper_trainer.model.action_layout import HEAD_COUNT
from esper_trainer.ppo.policy_optimiser import GradientStatistics


class GradientTotals(NamedTuple):
    """`GradientStatistics` over the attempted steps: sums, except that `norm_before` is the maximum.

    attempted: number of steps. epochs: number of epochs in which every step was applied.
    """

    norm_before: Tensor
    norm_after: Tensor
    nan: Tensor
    inf: Tensor
    skipped: Tensor
    heads: Tensor
    value: Tensor
    layers: Tensor
    attempted: Tensor
    epochs: Tensor


class Totals(NamedTuple):
    """The totals of an update."""

    sums: Sums
    extremes: Extremes
    gradients: GradientTotals
    detail_sums: DetailSums
    detail_extremes: DetailExtremes


class RunningTotals:
    """Accumulates statistics until an update stops.

    In all methods `stopped` (bool, 0-d) is whether the update had stopped before; then nothing is added.
    """

    def __init__(self, device: torch.device, layers: int) -> None:
        zero, heads = torch.zeros((), device=device), torch.zeros(HEAD_COUNT, device=device)
        low, low_heads = zero - torch.inf, heads - torch.inf
        details = DetailSums(zero.expand(4, 4))
        self._sums = _Vector((*Sums(*(heads,) * 8, zero, zero), *details))
        self._extremes = _Vector((*Extremes(low_heads, low_heads, low, low, low), *DetailExtremes(low)))
        self._steps = _Vector((zero, zero, zero, zero, heads, zero, zero.expand(layers), zero))
        self._no_details = details, DetailExtremes(low)
        self._largest_norm, self._epochs, self._taken = zero, zero, zero

    def add_evaluation(self, statistics: MinibatchStatistics, stopped: Tensor) -> None:
        """Add the statistics of a minibatch."""
        sums, extremes, detail_sums, detail_extremes = statistics
        no_sums, no_extremes = self._no_details
        self._sums.add((*sums, *(detail_sums or no_sums)), stopped)
        self._extremes.keep_largest((*extremes, *(detail_extremes or no_extremes)), stopped)

    def add_step(self, step: GradientStatistics, stopped: Tensor) -> None:
        """Add an optimiser step."""
        one = torch.ones_like(step.skipped)
        norm = torch.where(stopped, 0.0, step.norm_before)
        self._largest_norm = torch.maximum(self._largest_norm, norm)
        self._taken = self._taken + torch.where(stopped, 0.0, 1.0 - step.skipped)
        _, *added = step
        self._steps.add((*added, one), stopped)

    def end_epoch(self, steps: int) -> None:
        """Count the epoch if each of its `steps` was applied."""
        self._epochs = self._epochs + (self._taken == steps)
        self._taken = torch.zeros_like(self._taken)

    def read(self) -> Totals:
        """The present totals."""
        *sums, products = self._sums.parts()
        *extremes, log_prob = self._extremes.parts()
        gradients = (self._largest_norm, *self._steps.parts(), self._epochs)
        return Totals(
            Sums(*sums),
            Extremes(*extremes),
            GradientTotals(*gradients),
            DetailSums(products),
            DetailExtremes(log_prob),
        )


class _Vector:
    """Several tensors as one, because accumulating them one by one would cost more than computing them."""

    def __init__(self, initial: Iterable[Tensor]) -> None:
        tensors = list(initial)
        self._shapes = [tensor.shape for tensor in tensors]
        self._total = pack(tensors)

    def add(self, tensors: Iterable[Tensor], stopped: Tensor) -> None:
        self._total = self._total + torch.where(stopped, 0.0, pack(tensors))

    def keep_largest(self, tensors: Iterable[Tensor], stopped: Tensor) -> None:
        self._total = torch.maximum(self._total, torch.where(stopped, -torch.inf, pack(tensors)))

    def parts(self) -> list[Tensor]:
        return unpack(self._total, self._shapes)
