"""What the device measured arrives on the host unchanged, also without the parts of higher levels."""

import pytest
import torch

from esper_trainer.measure.lstm_metrics import LSTMStatistics
from esper_trainer.measure.measurements import (
    Measurements,
    Structure,
    losses,
    pack_measurements,
    packed_losses,
    tensors_of,
)
from esper_trainer.measure.running_totals import RunningTotals

LSTM = LSTMStatistics(torch.ones(2), torch.ones(2), torch.arange(3.0), torch.arange(8.0).view(4, 2))


@pytest.mark.parametrize("lstm", [None, LSTM])
def test_packed_measurements_are_unpacked_into_the_same_places(lstm):
    """Shapes and nesting are those of the measurements; what was left out stays so."""
    totals = RunningTotals(torch.device("cpu"), 3).read()
    measurements = Measurements(losses(totals.sums), totals, lstm=lstm)
    packed = pack_measurements(measurements)
    unpacked = Structure(measurements).unpack(packed)

    assert packed.dim() == 1
    assert unpacked.rollout is None
    assert (unpacked.lstm is None) == (lstm is None)
    assert isinstance(unpacked.totals, type(totals))
    for one, other in zip(tensors_of(measurements), tensors_of(unpacked), strict=True):
        assert torch.equal(one, other)


def test_the_losses_can_be_read_on_the_device():
    """-(6 / 3) of one head, and 0.5 * 8 / 2."""
    totals = RunningTotals(torch.device("cpu"), 3).read()
    surrogate, relevant = torch.eye(8)[0] * 6.0, torch.eye(8)[0] * 3.0
    sums = totals.sums._replace(
        surrogate=surrogate,
        relevant=relevant,
        squared_errors=torch.tensor(8.0),
        steps=torch.tensor(2.0),
    )
    packed = pack_measurements(Measurements(losses(sums), totals))

    assert packed_losses(packed).policy.item() == -2.0
    assert packed_losses(packed).value.item() == 2.0
