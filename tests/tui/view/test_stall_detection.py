"""Tests of esper_tui.view.stall_detection, through the status that follows from it."""

import math

import pytest
from msgspec import structs

from esper_schemas.snapshot import EventEntry
from esper_tui.view.connection_status import SILENT_AFTER_S, ConnectionState, judge_feed
from esper_tui.view.stall_detection import MIN_STALL_TIMEOUT_S

SECOND = 1_000_000_000
LIMIT = int(SILENT_AFTER_S * SECOND)


@pytest.fixture
def hung(make_feed, make_snapshot, now):
    """A feed of a trainer that sends heartbeats, but whose last event is the given number of seconds old."""

    def make(seconds, state=None, lag_ms=0.0, events=(), **run):
        last_ns = now - int(seconds * SECOND) - int(lag_ms * 1e6)
        snapshot = make_snapshot(state, **({"last_event_ns": last_ns} | run))
        link = structs.replace(snapshot.link, lag_ms=lag_ms)
        snapshot = structs.replace(snapshot, link=link, recent_events=events)
        return make_feed(snapshot, received_ns=now, sent_ns=now, trainer_message_ns=now)

    return make


def entries(kind, *seconds, producer="r0"):
    """Entries of the event list, at these seconds."""
    return tuple(EventEntry(at_ns=int(s * SECOND), producer=producer, kind=kind) for s in seconds)


def test_a_trainer_that_hangs_is_stalled_although_it_sends_heartbeats(hung, now):
    """Its IO thread continues to send them; only the age of the last event shows the stall."""
    assert judge_feed(hung(MIN_STALL_TIMEOUT_S), now).state is ConnectionState.LIVE

    status = judge_feed(hung(25), now)

    assert (status.state, status.silent_s) == (ConnectionState.STALLED, 25)
    assert status.sentence.startswith("No update for 25s; one typically takes 0.3s. Check whether")


@pytest.mark.parametrize(("seconds", "state"), [(99, ConnectionState.LIVE), (101, ConnectionState.STALLED)])
def test_slow_updates_are_waited_for(hung, make_state, now, seconds, state):
    """The limit is five times the usual time of rollout and update together."""
    slow = make_state(update_time_ms=5_000.0, rollout_time_ms=15_000.0)

    assert judge_feed(hung(seconds, slow), now).state is state


@pytest.mark.parametrize(("seconds", "state"), [(299, ConnectionState.LIVE), (301, ConnectionState.STALLED)])
@pytest.mark.parametrize("measured", [None, 1.0, math.nan])
def test_the_usual_interval_is_also_that_of_recent_updates(hung, make_state, now, measured, seconds, state):
    """A trainer may measure no times, or only those of its own work."""
    unmeasured = make_state(update_time_ms=1.0, rollout_time_ms=measured)
    own, other = (
        entries("PPOUpdateCompleted", 0, 60, 120),
        entries("PPOUpdateCompleted", 1, 61, producer="r1"),
    )
    mixed = (own[0], other[0], own[1], other[1], own[2])

    assert judge_feed(hung(seconds, unmeasured, events=own), now).state is state
    assert judge_feed(hung(seconds, unmeasured, events=mixed), now).state is state


@pytest.mark.parametrize("measured", [None, math.nan, math.inf])
def test_without_a_measured_interval_nothing_is_stalled(hung, make_state, now, measured):
    """One update without its times does not determine when the next one is due."""
    unknown = make_state(update_time_ms=1.0, rollout_time_ms=measured)

    assert (
        judge_feed(hung(3600, unknown, events=entries("PPOUpdateCompleted", 0)), now).state
        is ConnectionState.LIVE
    )


def test_nothing_is_stalled_before_the_first_update(hung, make_state, now):
    """Imports, the baseline and compilation may take any time."""
    nothing = make_state(ppo_data_received=False)

    assert judge_feed(hung(3600, nothing), now).state is ConnectionState.WAITING


def test_a_trainer_that_has_resumed_is_starting(hung, now):
    """Its first update may need compilation, however short earlier updates were."""
    before = entries("PPOUpdateCompleted", 1, 2, 3)
    resumed = (*before, *entries("RunStarted", 9), *entries("LogRecorded", 10))

    assert judge_feed(hung(3600, events=resumed), now).state is ConnectionState.LIVE
    again = (*resumed, *entries("PPOUpdateCompleted", 20))
    assert judge_feed(hung(3600, events=again), now).state is ConnectionState.STALLED


def test_a_run_that_has_made_all_its_updates_is_ending(hung, make_state, now):
    """Its last checkpoint may take longer than an update."""
    done = make_state(last_update=100)

    assert judge_feed(hung(3600, done, episodes=100), now).state is ConnectionState.LIVE
    assert judge_feed(hung(3600, done, episodes=101), now).state is ConnectionState.STALLED


def test_the_trainers_clock_may_be_wrong_without_a_stall(hung, now):
    """An event of an hour ago with a lag of an hour has just arrived."""
    assert judge_feed(hung(0, lag_ms=3_600_000.0), now).state is ConnectionState.LIVE
    assert judge_feed(hung(20, lag_ms=3_600_000.0), now).silent_s == pytest.approx(20)


@pytest.mark.parametrize("lag_ms", [math.nan, math.inf, -math.inf])
def test_a_lag_that_is_not_a_number_is_harmless(make_feed, make_snapshot, now, lag_ms):
    """The feed still has a state."""
    snapshot = make_snapshot(last_event_ns=now)
    link = structs.replace(snapshot.link, lag_ms=lag_ms)

    assert judge_feed(make_feed(structs.replace(snapshot, link=link)), now).state in ConnectionState


def test_silence_end_and_replay_take_precedence_over_a_stall(hung, now):
    """They explain why no event arrives."""
    feed = hung(3600)

    for state, other in {
        ConnectionState.STALE: structs.replace(feed, trainer_message_ns=now - 2 * LIMIT),
        ConnectionState.DISCONNECTED: structs.replace(feed, received_ns=now - 2 * LIMIT),
        ConnectionState.FINISHED: hung(3600, outcome="completed"),
        ConnectionState.REPLAY: structs.replace(feed, live=False),
    }.items():
        assert judge_feed(other, now).state is state
