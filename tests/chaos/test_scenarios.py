"""Every fault of the matrix, three seeds each: nothing is lost, doubled or changed."""

import pytest
from benchmarks.chaos.scenarios import OVER_TCP, SCENARIOS, play


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("name", SCENARIOS)
def test_a_fault_loses_nothing_and_doubles_nothing(name, seed):
    """Judged from logs, spools, the trainers' histories, the last snapshot and the size of processes."""
    assert play(name, seed) == []


@pytest.mark.parametrize("name", OVER_TCP)
def test_nor_does_it_over_tcp_with_keys(name):
    """The faults to which the transport makes a difference."""
    assert play(name, 4, "curve") == []
