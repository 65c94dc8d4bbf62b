"""The list of recent events has one line for each event that belongs there."""

import pytest
from tests.aggregator.fold.examples import log_line, update
from tests.aggregator.fold.validated import fold_all, project

from esper_aggregator.fold.event_list import event_entries
from esper_aggregator.fold.run_state import KEPT_EVENTS
from esper_schemas import events as e
from esper_schemas.event_text import describe

FREQUENT = [
    e.EpisodeCompleted(environment=0, episode=1, episode_return=1.0, length=1),
    e.DecisionMade(update=1, environment=0, step=0, choices={}, confidences={}),
    e.SeedStageChanged(update=1, environment=0, step=0, slot=0, from_stage=0, to_stage=1),
    e.VitalsSampled(),
    log_line("info"),
    log_line("debug"),
]


@pytest.mark.parametrize("event", FREQUENT, ids=lambda event: type(event).__name__)
def test_frequent_events_are_not_listed(shown, event):
    """A snapshot has them elsewhere, or only their number."""
    assert shown(event).recent_events == ()


@pytest.mark.parametrize(
    "event", [update(3, policy_loss=0.5), log_line("warning"), e.CheckpointSaved(update=1, path="1.pt")]
)
def test_a_listed_event_is_shown_by_its_kind_and_its_text(shown, event):
    """The text is that of `describe`."""
    (entry,) = shown(event).recent_events

    assert (entry.kind, entry.text) == (type(event).__name__, describe(event))
    assert (entry.at_ns, entry.producer) == (1_000, "host:0")


def test_the_newest_events_are_listed_oldest_first(shown):
    """Updates and other events are listed in the order of their arrival."""
    events = [
        update(n) if n % 2 else e.CheckpointSaved(update=n, path=str(n)) for n in range(KEPT_EVENTS + 4)
    ]

    assert [entry.text for entry in shown(*events).recent_events] == [describe(event) for event in events[4:]]


def test_updates_that_differ_have_different_texts(record_of):
    """So have updates of the same number in other runs; a negative zero is written as zero."""
    records = [record_of(update(1, policy_loss=loss)) for loss in (0.1, 0.2, -0.0)]
    entries = [event_entries(fold_all([record]).recent_events)[0] for record in records]

    assert [entry.text for entry in entries] == [
        "update 1: policy loss 0.100, value loss –, KL –",
        "update 1: policy loss 0.200, value loss –, KL –",
        "update 1: policy loss 0.000, value loss –, KL –",
    ]


def test_showing_the_list_does_not_change_it(record_of):
    """A projection in between changes nothing."""
    first, second = record_of(update(1)), record_of(update(2))
    state = fold_all([first])
    project(state)

    assert project(fold_all([second], state)) == project(fold_all([first, second]))
