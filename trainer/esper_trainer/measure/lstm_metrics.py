"""Statistics of the policy's LSTM: magnitudes of its states and saturation of its gates."""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from esper_schemas.metrics import SATURATED_ABOVE, SATURATED_BELOW
from esper_trainer.model.policy import LSTMStep

GATES = ("input", "forget", "cell", "output")
"""The gates in the order of torch's LSTM weights; "cell" is the candidate, which passes through tanh."""

_SATURATED = math.log(SATURATED_ABOVE / (1.0 - SATURATED_ABOVE))
"""The magnitude of a gate's input beyond which it is saturated, since the limits are symmetric."""

assert math.isclose(SATURATED_BELOW, 1.0 - SATURATED_ABOVE)


class LSTMStatistics(NamedTuple):
    """Statistics over B environments and H units after the last step of episodes.

    norms [2]: the roots of the summed squares of hidden and cell state. largest [2]: their largest
    magnitudes. cell [B]: the sums of the cell states. saturated [4, H]: the numbers of environments in which
    a gate is near 0 or 1, in the order of `GATES`.
    """

    norms: Tensor
    largest: Tensor
    cell: Tensor
    saturated: Tensor


@torch.no_grad()
def lstm_statistics(lstm: nn.LSTM, last_step: LSTMStep) -> LSTMStatistics:
    """The statistics of one evaluation."""
    states = torch.stack((last_step.hidden, last_step.cell)).flatten(1)
    return LSTMStatistics(
        norms=torch.linalg.vector_norm(states, dim=1),
        largest=torch.linalg.vector_norm(states, torch.inf, dim=1),
        cell=last_step.cell.sum(1),
        saturated=_saturated(lstm, last_step),
    )


def _saturated(lstm: nn.LSTM, last_step: LSTMStep) -> Tensor:
    """Numbers of saturated gates of the last step [4, H]; torch does not return gates, so they are
    recomputed."""
    parameters = dict(lstm.named_parameters())
    bias = parameters["bias_ih_l0"] + parameters["bias_hh_l0"]
    inputs = torch.addmm(bias, last_step.features, parameters["weight_ih_l0"].t())
    gates = torch.addmm(inputs, last_step.previous_hidden, parameters["weight_hh_l0"].t())
    return (gates.abs() > _SATURATED).view(len(gates), len(GATES), -1).sum(0)
