"""Every fault of the matrix, three seeds each: nothing is lost, doubled or changed."""

import pytest
from benchmarks.chaos.scenarios import SCENARIOS, play


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("name", SCENARIOS)
def test_a_fault_loses_nothing_and_doubles_nothing(name, seed):
    """Judged from logs, spools, the trainers' histories and the last snapshot."""
    assert play(name, seed) == []
