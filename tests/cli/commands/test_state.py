"""`esper state` prints what a run folds to, at its end or after some of its events."""

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


def test_the_state_is_that_of_the_whole_run(esper_says, run_dir):
    """As JSON, findings first."""
    code, out, err = esper_says("state", run_dir)
    state = json.loads(out)

    assert (code, err) == (0, "")
    assert next(iter(state)) == "findings"
    assert (state["events_folded"], state["tamiyo"]["ppo_updates_count"]) == (6, 5)


@pytest.mark.parametrize(("at", "updates"), [(0, 0), (1, 0), (4, 3), (6, 5)])
def test_at_counts_events(esper_says, run_dir, at, updates):
    """It is the state after so many of them."""
    code, out, _ = esper_says("state", run_dir, "--at", at)
    state = json.loads(out)

    assert code == 0
    assert (state["events_folded"], state["tamiyo"]["ppo_updates_count"]) == (at, updates)


def test_a_position_beyond_the_end_has_no_state(esper_says, run_dir):
    """The sentence says how many events there are."""
    code, out, err = esper_says("state", run_dir, "--at", "7")

    assert (code, out) == (1, "")
    assert err == f"esper state: {run_dir} has only 6 events; choose a smaller number for --at\n"


@pytest.mark.parametrize(
    ("at", "problem"), [("-1", "at least 0"), ("99999999999", "at most"), ("x", "an integer")]
)
def test_an_invalid_number_of_events_is_wrong_usage(esper_says, run_dir, at, problem):
    """Negative, too large, or no number."""
    code, out, err = esper_says("state", run_dir, "--at", at)

    assert (code, out) == (2, "")
    assert f"argument --at: must be {problem}" in err
    assert err.count("\n") == 1
