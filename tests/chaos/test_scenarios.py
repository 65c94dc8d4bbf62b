"""In every scenario, with three seeds each, no event is lost, duplicated or changed."""

import pytest
from benchmarks.chaos.scenarios import OVER_TCP, SCENARIOS, run_scenario

pytestmark = pytest.mark.process


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("name", SCENARIOS)
def test_a_fault_loses_and_duplicates_nothing(name, seed):
    """Logs, spools, the trainers' histories, the last snapshot and the size of processes are checked."""
    assert run_scenario(name, seed) == []


@pytest.mark.parametrize("name", OVER_TCP)
def test_the_same_holds_over_tcp_with_keys(name):
    """Only faults that depend on the transport are repeated."""
    assert run_scenario(name, 4, "curve") == []
