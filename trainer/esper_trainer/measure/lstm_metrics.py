"""The health of the policy's LSTM: its states, and how many of its gates are stuck."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from esper_schemas.metrics import SATURATED_ABOVE, SATURATED_BELOW
from esper_trainer.model.policy import LSTMStep

GATES = ("input", "forget", "cell", "output")
"""The order in which torch keeps the rows of an LSTM's weights; "cell" is squashed by tanh, not a gate."""


class LSTMSums(NamedTuple):
    """Sums over environments and units after the last step of episodes, 0-d but `saturated` [4].

    saturated: gates near 0 or 1, in the order of `GATES`; units: how many were added up.
    """

    hidden_square: Tensor
    cell_square: Tensor
    cell: Tensor
    saturated: Tensor
    units: Tensor


class LSTMExtremes(NamedTuple):
    """The largest magnitudes after the last step, 0-d."""

    hidden: Tensor
    cell: Tensor


def lstm_sums(lstm: nn.LSTM, last_step: LSTMStep) -> LSTMSums:
    """Add up one evaluation."""
    hidden, cell = last_step.hidden, last_step.cell
    return LSTMSums(
        hidden_square=hidden.square().sum(),
        cell_square=cell.square().sum(),
        cell=cell.sum(),
        saturated=_saturated(lstm, last_step),
        units=hidden.new_full((), hidden.numel()),
    )


def lstm_extremes(last_step: LSTMStep) -> LSTMExtremes:
    """The extremes of one evaluation."""
    return LSTMExtremes(last_step.hidden.abs().amax(), last_step.cell.abs().amax())


def _saturated(lstm: nn.LSTM, last_step: LSTMStep) -> Tensor:
    """How many gates of the last step are saturated [4]; torch keeps gates to itself, so they are redone."""
    parameters = dict(lstm.named_parameters())
    fed = torch.addmm(parameters["bias_ih_l0"], last_step.features, parameters["weight_ih_l0"].t())
    kept = torch.addmm(parameters["bias_hh_l0"], last_step.previous_hidden, parameters["weight_hh_l0"].t())
    gates = (fed + kept).sigmoid()
    saturated = (gates < SATURATED_BELOW) | (gates > SATURATED_ABOVE)
    return saturated.view(len(gates), len(GATES), -1).sum((0, 2))
