"""Statistics of the policy's LSTM: magnitudes of its states and saturation of its gates."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from esper_schemas.metrics import SATURATED_ABOVE, SATURATED_BELOW
from esper_trainer.model.policy import LSTMStep

GATES = ("input", "forget", "cell", "output")
"""The gates in the order of torch's LSTM weights; "cell" is the candidate, which passes through tanh."""


class LSTMSums(NamedTuple):
    """Sums over environments and units after the last step of episodes, 0-d except `saturated` [4].

    saturated: numbers of gates near 0 or 1, in the order of `GATES`. units: number of summands.
    """

    hidden_square: Tensor
    cell_square: Tensor
    cell: Tensor
    saturated: Tensor
    units: Tensor


class LSTMExtremes(NamedTuple):
    """The largest magnitudes of the states after the last step, 0-d."""

    hidden: Tensor
    cell: Tensor


def lstm_sums(lstm: nn.LSTM, last_step: LSTMStep) -> LSTMSums:
    """The sums of one evaluation."""
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
    """Numbers of saturated gates of the last step [4]; torch does not return gates, so they are
    recomputed."""
    parameters = dict(lstm.named_parameters())
    inputs = torch.addmm(parameters["bias_ih_l0"], last_step.features, parameters["weight_ih_l0"].t())
    recurrent = torch.addmm(
        parameters["bias_hh_l0"], last_step.previous_hidden, parameters["weight_hh_l0"].t()
    )
    gates = (inputs + recurrent).sigmoid()
    saturated = (gates < SATURATED_BELOW) | (gates > SATURATED_ABOVE)
    return saturated.view(len(gates), len(GATES), -1).sum((0, 2))
