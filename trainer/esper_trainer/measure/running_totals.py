"""Running totals of an update over its minibatches and epochs, on the device."""

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from esper_trainer.device.host_transfer import pack, unpack
from esper_trainer.measure.lstm_metrics import GATES, LSTMExtremes, LSTMSums
from esper_trainer.measure.minibatch_statistics import DetailExtremes, DetailSums, Extremes, Sums
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
    lstm_sums: LSTMSums
    lstm_extremes: LSTMExtremes


class RunningTotals:
    """Accumulates statistics until an update stops.

    In all methods `stopped` (bool, 0-d) is whether the update had stopped before; then nothing is added.
    """

    def __init__(self, device: torch.device, layers: int) -> None:
        zero, heads = torch.zeros((), device=device), torch.zeros(HEAD_COUNT, device=device)
        low, low_heads = zero - torch.inf, heads - torch.inf
        self._sums = _Vector(Sums(*(heads,) * 8, zero, zero))
        self._extremes = _Vector(Extremes(low_heads, low_heads, low, low, low))
        self._steps = _Vector((zero, zero, zero, zero, heads, zero, zero.expand(layers), zero))
        self._detail_sums = _Vector(DetailSums(zero, zero, zero.expand(3, 3)))
        self._detail_extremes = _Vector(DetailExtremes(low))
        self._lstm_sums = _Vector(LSTMSums(zero, zero, zero, zero.expand(len(GATES)), zero))
        self._lstm_extremes = _Vector(LSTMExtremes(low, low))
        self._largest_norm, self._epochs, self._taken = zero, zero, zero

    def add_evaluation(self, sums: Sums, extremes: Extremes, stopped: Tensor) -> None:
        """Add the statistics of a minibatch."""
        self._sums.add(sums, stopped)
        self._extremes.keep_largest(extremes, stopped)

    def add_details(self, sums: DetailSums, extremes: DetailExtremes, stopped: Tensor) -> None:
        """Add the NORMAL statistics of a minibatch."""
        self._detail_sums.add(sums, stopped)
        self._detail_extremes.keep_largest(extremes, stopped)

    def add_lstm(self, sums: LSTMSums, extremes: LSTMExtremes, stopped: Tensor) -> None:
        """Add the statistics of the LSTM."""
        self._lstm_sums.add(sums, stopped)
        self._lstm_extremes.keep_largest(extremes, stopped)

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
        gradients = (self._largest_norm, *self._steps.parts(), self._epochs)
        return Totals(
            Sums(*self._sums.parts()),
            Extremes(*self._extremes.parts()),
            GradientTotals(*gradients),
            DetailSums(*self._detail_sums.parts()),
            DetailExtremes(*self._detail_extremes.parts()),
            LSTMSums(*self._lstm_sums.parts()),
            LSTMExtremes(*self._lstm_extremes.parts()),
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
