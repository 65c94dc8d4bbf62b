"""The numbers of printed lines are means over all processes."""

import pytest
import torch

from esper_trainer.measure.measurements import Losses, Measurements, pack_measurements
from esper_trainer.measure.running_totals import RunningTotals
from esper_trainer.ranks.process_group import ALONE, ProcessGroup
from esper_trainer.telemetry.episode_summary import EpisodeSummary
from esper_trainer.telemetry.run_averages import RunAverages, average_over_processes


class WithAnother(ProcessGroup):
    """A group of two, of which the other process has these values."""

    def __init__(self, *values):
        super().__init__(0, 2)
        self.values = torch.tensor(values)

    def sum_(self, tensor):
        """Add the values of the other process."""
        return tensor.add_(self.values)


@pytest.fixture
def summary():
    """Two environments with a mean return of 2 and a mean accuracy of 0.5."""
    empty = {name: torch.empty(0) for name in EpisodeSummary._fields}
    columns = {"returns": torch.tensor([1.0, 3.0]), "accuracy": torch.tensor([0.25, 0.75])}
    return EpisodeSummary(**(empty | columns))


def packed(policy_loss, value_loss):
    """The measurements of an update with these losses."""
    totals = RunningTotals(torch.device("cpu"), 1).read()
    losses = Losses(torch.tensor(policy_loss), torch.tensor(value_loss))
    return pack_measurements(Measurements(losses, totals))


def test_means_are_over_all_processes(summary):
    """The other process has return 4, accuracy 0.7, losses 0.5 and 3, baseline 1."""
    own = packed(-0.1, 1.0)
    averages = average_over_processes(own, summary, 2.0, WithAnother(4.0, 0.7, 0.5, 3.0, 1.0))

    assert RunAverages(*averages.tolist()) == pytest.approx(RunAverages(3.0, 0.6, 0.2, 2.0, 1.5))


def test_one_process_has_its_own_numbers(summary):
    """They are not changed by rounding."""
    own = packed(-0.1, 0.3)
    averages = average_over_processes(own, summary, 2.5, ALONE)

    assert averages.tolist() == torch.tensor([2.0, 0.5, -0.1, 0.3, 2.5]).tolist()
