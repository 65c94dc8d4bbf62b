"""`esper state` prints the state of a run, at its end or after some of its events."""

import json
import time

import pytest

from esper_schemas.events import AnomalyDetected, PPOUpdateCompleted, RunStarted
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


@pytest.mark.parametrize(
    ("at", "events", "updates"),
    [("event:4", 4, 3), ("update:2", 3, 2), ("update 5", 6, 5), ("1970-01-01 00:00:03", 4, 3)],
)
def test_a_moment_has_a_name(run_esper, run_dir, monkeypatch, at, events, updates):
    """It is an event, an update or a time."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    code, out, _ = run_esper("state", run_dir, "--at", at)
    state = json.loads(out)

    assert code == 0
    assert (state["events_folded"], state["tamiyo"]["ppo_updates_count"]) == (events, updates)


def test_a_mark_is_a_moment(run_esper, recorded):
    """The update of an anomaly, and what its trainer reported about it."""
    anomaly = AnomalyDetected(update=2, anomaly="large_kl", severity="critical")
    run_dir = recorded(*EVENTS[:3], anomaly, *EVENTS[3:])
    code, out, _ = run_esper("state", run_dir, "--at", "mark:first-critical")

    assert code == 0
    assert json.loads(out)["events_folded"] == 4


@pytest.mark.parametrize(
    ("at", "problem"),
    [
        ("7", "The run has no event 7; choose one from 0 to 6."),
        ("99999999999999999999999", "The run has no event"),
        ("update:9", "The run has no update 9; choose one from 1 to 5."),
        ("update:x", "'x' is not the number of an update"),
        ("mark:first-critical", "The run has no mark 'first-critical'"),
        ("x", "The run has no mark 'x'"),
        ("", "The run has no mark ''"),
    ],
)
def test_a_moment_that_the_run_does_not_have_is_an_error(run_esper, run_dir, at, problem):
    """It is one sentence that says which ones there are."""
    code, out, err = run_esper("state", run_dir, "--at", at)

    assert (code, out) == (1, "")
    assert err.startswith(f"esper state: {run_dir}: {problem}")
    assert err.count("\n") == 1
