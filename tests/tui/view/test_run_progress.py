"""Tests of esper_tui.view.run_progress and of the ages that a screen shows."""

import pytest
from msgspec import structs
from tests.tui.conftest import NOW, SECOND

from esper_schemas import TamiyoState
from esper_schemas.snapshot import RankState
from esper_tui.view.event_ages import event_age
from esper_tui.view.run_progress import elapsed_s, remaining_s, update_pace_s, updates_text
from esper_tui.view.view import View


def trained(*seconds_and_updates, first=3):
    """Ranks that began to train with the same update, for some seconds and further updates each."""
    return tuple(
        RankState(
            producer=f"host:{rank}",
            training_since_ns=NOW - seconds * SECOND,
            training_since_update=first,
            last_event_ns=NOW,
            last_update=first + updates,
        )
        for rank, (seconds, updates) in enumerate(seconds_and_updates)
    )


@pytest.fixture
def view(make_feed, make_snapshot):
    """A view of a run with these fields."""

    def make(newest=None, ranks=None, live=True, **run):
        snapshot = make_snapshot(**run)
        if ranks is not None:
            snapshot = structs.replace(snapshot, ranks=ranks)
        return View(make_feed(snapshot, live=live), NOW, newest)

    return make


def test_the_elapsed_time_grows_while_the_trainer_is_silent(view):
    """It is that of the run, and not that of its record."""
    assert elapsed_s(view(started_ns=NOW - 100 * SECOND, last_event_ns=NOW - 60 * SECOND)) == pytest.approx(
        100, abs=0.1
    )


@pytest.mark.parametrize("fields", [{"live": False}, {"outcome": "failed"}])
def test_the_elapsed_time_of_a_record_ends_with_it(view, fields):
    """It is the time that the training took."""
    ended = view(started_ns=NOW - 100 * SECOND, last_event_ns=NOW - 60 * SECOND, **fields)

    assert elapsed_s(ended) == 40


def test_the_time_before_a_run_was_resumed_is_not_elapsed(view):
    """It is the time of the training, which may have stood still for days."""
    resumed = view(started_ns=NOW - 100 * SECOND, last_event_ns=NOW, paused_ns=70 * SECOND)

    assert elapsed_s(resumed) == pytest.approx(30, abs=0.2)


def test_without_a_start_no_time_is_known(view):
    """Some programs record no start."""
    assert elapsed_s(view(started_ns=None)) is None


def test_the_pace_is_the_mean_of_the_slowest_process(view):
    """The time before its first update, which may compile, does not count."""
    assert update_pace_s(view(ranks=trained((30, 15), (45, 15))).snapshot) == 3.0


def test_without_a_second_update_the_pace_is_the_typical_one(view):
    """Here it is the time between two updates in the list of events."""
    assert update_pace_s(view(ranks=trained((30, 0))).snapshot) == 5.0


@pytest.mark.parametrize(
    ("fields", "remaining"),
    [
        ({"episodes": 20}, 3 * 3.0 - 1),
        ({"episodes": 17}, None),
        ({"episodes": 10}, None),
        ({"episodes": None}, None),
        ({"outcome": "completed"}, None),
        ({"live": False}, None),
    ],
)
def test_the_remaining_time_is_that_of_the_planned_updates(view, fields, remaining):
    """The time since the last event counts; a run that has ended or plans nothing has none."""
    found = remaining_s(view(ranks=trained((45, 15)), **fields))

    assert found == (remaining if remaining is None else pytest.approx(remaining, abs=0.1))


def test_progress_is_counted_in_updates(make_snapshot):
    """The planned number follows if there is one; before the first update there is none."""
    texts = [updates_text(make_snapshot(**fields)) for fields in ({}, {"episodes": None})]

    assert [*texts, updates_text(make_snapshot(TamiyoState()))] == ["17/100", "17", ""]


@pytest.mark.parametrize(
    ("fields", "age"),
    [({}, "31s ago"), ({"live": False}, "30s before the end"), ({"outcome": "failed"}, "30s before the end")],
)
def test_an_age_says_what_it_is_relative_to(view, fields, age):
    """It is relative to now, or to the end of a record."""
    assert event_age(view(last_event_ns=NOW - SECOND, **fields), NOW - 31 * SECOND - SECOND // 2) == age


def test_the_age_on_a_screen_that_does_not_show_the_newest_snapshot(view, make_feed):
    """It is relative to what is shown."""
    shown = view(make_feed(), last_event_ns=NOW - SECOND)

    assert event_age(shown, NOW - 31 * SECOND) == "30s earlier"
