"""`esper state` prints the state of a run, at its end or after some of its events."""

import json

import pytest

from esper_schemas.events import PPOUpdateCompleted, RunStarted
from esper_schemas.payload import PPOUpdatePayload

EVENTS = [
    RunStarted(task="t"),
    *(PPOUpdateCompleted(update=n, payload=PPOUpdatePayload()) for n in range(1, 6)),
]


@pytest.fixture
def run_dir(recorded):
    """A run with one start and five updates."""
    return recorded(*EVENTS)


def test_the_state_is_that_of_the_whole_run(run_esper, run_dir):
    """It is printed as JSON, with the findings first."""
    code, out, err = run_esper("state", run_dir)
    state = json.loads(out)

    assert (code, err) == (0, "")
    assert next(iter(state)) == "findings"
    assert (state["events_folded"], state["tamiyo"]["ppo_updates_count"]) == (6, 5)


@pytest.mark.parametrize(("at", "updates"), [(0, 0), (1, 0), (4, 3), (6, 5)])
def test_at_counts_events(run_esper, run_dir, at, updates):
    """The state is that after the given number of events."""
    code, out, _ = run_esper("state", run_dir, "--at", at)
    state = json.loads(out)

    assert code == 0
    assert (state["events_folded"], state["tamiyo"]["ppo_updates_count"]) == (at, updates)


def test_a_position_beyond_the_end_has_no_state(run_esper, run_dir):
    """The error says how many events there are."""
    code, out, err = run_esper("state", run_dir, "--at", "7")

    assert (code, out) == (1, "")
    assert err == f"esper state: {run_dir} has only 6 events; choose a smaller number for --at\n"


@pytest.mark.parametrize(
    ("at", "problem"), [("-1", "at least 0"), ("99999999999", "at most"), ("x", "an integer")]
)
def test_an_invalid_number_of_events_is_wrong_usage(run_esper, run_dir, at, problem):
    """It is negative, too large or not a number."""
    code, out, err = run_esper("state", run_dir, "--at", at)

    assert (code, out) == (2, "")
    assert f"argument --at: must be {problem}" in err
    assert err.count("\n") == 1
