"""The fold knows what a run has lost, and since which update."""

import pytest
from tests.aggregator.fold.examples import log_line, update
from tests.aggregator.fold.validated import fold_all, project

from esper_aggregator.fold.run_state import RunState
from esper_schemas import events as e

DROPPED = e.EventsDropped(count=5, first_ns=1, last_ns=2, by_kind={"PPOUpdateCompleted": 5})
NOT_AN_EVENT = e.Undecodable(reason="not msgpack", raw=b"x")


def of(records):
    """The losses of a run by kind: count, first update, last update, and the first producer."""
    found = project(fold_all(records)).losses
    return {loss.kind: (loss.count, loss.since_update, loss.last_update, loss.producer) for loss in found}


def test_a_complete_run_has_lost_nothing(record_of):
    """Repeated events are not lost."""
    events = [update(1), update(2), e.RunFinished(outcome="completed", updates=2)]
    records = [record_of(event) for event in events]

    assert of([*records, *records]) == {}


@pytest.mark.parametrize(
    ("event", "kind", "count"),
    [
        (DROPPED, "dropped", 5),
        (NOT_AN_EVENT, "rejected", 1),
        (log_line("warning", "a value was left out: PPOUpdateCompleted.entropy: it is 'x'"), "values", 1),
    ],
)
def test_what_a_trainer_could_not_record_is_lost(record_of, event, kind, count):
    """In the update in progress."""
    assert of(map(record_of, [update(1), update(2), event, update(3), event])) == {
        kind: (2 * count, 3, 4, "host:0")
    }


def test_missing_sequence_numbers_are_lost(record_of):
    """A log without 3 events after the first update."""
    assert of([record_of(update(1)), record_of(update(5), seq=4)]) == {"missing": (3, 2, 2, "host:0")}


def test_a_run_that_lost_half_of_its_updates_is_not_reported_as_healthy(record_of):
    """Of 120 updates, 60 were dropped or are not valid; the others show nothing."""
    dropped = e.EventsDropped(count=30, first_ns=1, last_ns=2)
    events = [*[update(n) for n in range(1, 61)], *[NOT_AN_EVENT] * 30, dropped]
    (finding,) = project(fold_all(map(record_of, events))).findings

    assert (finding.rule, finding.severity, finding.since_update) == ("data_lost", "warning", 61)
    assert finding.title == "Data is lost: 30 events are not valid, 30 events were dropped"


@pytest.mark.parametrize(
    ("recorded", "made", "missing"),
    [((1, 2, 3), 5, 2), ((1, 2, 3), 3, 0), ((10, 20, 30), 35, 0), ((10, 20, 30), 60, 30), ((3,), 4, 1)],
)
def test_updates_after_the_last_recorded_one_are_lost(record_of, recorded, made, missing):
    """The last event says how many were made; a trainer may record some of them only."""
    events = [*map(update, recorded), e.RunFinished(outcome="completed", updates=made)]
    expected = {"unwritten": (missing, recorded[-1] + 1, recorded[-1] + 1, "host:0")} if missing else {}

    assert of(map(record_of, events)) == expected


def test_the_update_in_which_a_training_failed_is_not_lost(record_of):
    """It was never completed, although the trainer may count it."""
    failed = e.RunFinished(outcome="failed", updates=3, reason="ValueError: NaN")

    assert of(map(record_of, [update(1), update(2), failed])) == {}


def test_a_run_that_logs_without_updates_has_lost_none(record_of):
    """Its last event counts the updates that were emitted, not those that its logged values make."""
    logged = [e.ScalarsLogged(values={"train/value_loss": 1.0}, step=step) for step in range(9)]

    assert of(map(record_of, [*logged, e.RunFinished(outcome="completed", updates=0)])) == {}


def test_what_is_beyond_the_capacity_is_named():
    """The log has it."""
    (loss,) = project(RunState(left_out=2)).losses

    assert (loss.kind, loss.count) == ("capacity", 2)


@pytest.mark.parametrize("count", [0, -5, 2**63])
def test_any_number_of_dropped_events_is_counted(record_of, count):
    """A trainer may send any number."""
    found = of([record_of(e.EventsDropped(count=count, first_ns=1, last_ns=2)) for _ in range(3)])

    assert found == ({"dropped": (min(3 * count, 2**64 - 1), 1, 1, "host:0")} if count > 0 else {})
