"""Recorded events are due at the recorded pace, or at a multiple of it."""

import pytest

from esper_aggregator.replaying.recorded_clock import LONGEST_PAUSE_S, SHORT_PAUSE_S, RecordedClock

S = 10**9


@pytest.mark.parametrize(("speed", "due_at"), [(1.0, 106.0), (2.0, 103.0), (0.5, 112.0)])
def test_an_event_is_due_as_long_after_the_one_before_as_it_was_recorded(speed, due_at):
    """Divided by the speed; the first one is due at once."""
    clock = RecordedClock(speed)

    assert clock.due_at(5 * S, 100.0) == 100.0
    clock.take(5 * S, 100.0)
    assert clock.due_at(11 * S, 101.0) == due_at


def test_small_delays_do_not_add_up():
    """An event that was taken a little late does not delay those after it."""
    clock = RecordedClock()
    clock.take(0, 100.0)
    clock.take(10 * S, 110.1)

    assert clock.due_at(20 * S, 111.0) == 120.0


def test_a_replay_that_was_stopped_continues_from_where_it_is():
    """Otherwise a suspended process would rush through all that it has missed."""
    clock = RecordedClock()
    clock.take(0, 100.0)
    clock.take(10 * S, 500.0)

    assert clock.due_at(20 * S, 501.0) == 510.0


def test_an_event_that_was_taken_early_delays_nothing():
    """Those before the beginning of a replay are taken at once, whatever time is between them."""
    clock = RecordedClock()
    clock.take(0, 100.0)
    clock.take(300 * S, 100.0)

    assert clock.due_at(302 * S, 100.0) == 102.0


def test_the_time_between_two_trainings_is_shortened():
    """A run that was resumed after days is not replayed for days, at any speed."""
    clock = RecordedClock(2.0)
    clock.take(0, 100.0)

    assert clock.due_at(int(LONGEST_PAUSE_S) * S, 100.0) == 100.0 + LONGEST_PAUSE_S / 2
    assert clock.due_at(86400 * S, 100.0) == 100.0 + SHORT_PAUSE_S / 2


def test_a_time_that_goes_back_is_due_at_once():
    """Clocks of several hosts differ; what follows counts from the latest time."""
    clock = RecordedClock()
    clock.take(10 * S, 100.0)
    clock.take(7 * S, 100.0)

    assert clock.due_at(8 * S, 100.0) == 100.0
    assert clock.due_at(12 * S, 100.0) == 102.0


def test_the_time_of_the_recording_passes_with_its_speed():
    """It is 0 before the first event, and stays where the replay was stopped."""
    clock = RecordedClock(3.0)
    assert clock.time_ns(99.0) == 0
    clock.take(10 * S, 100.0)

    assert clock.time_ns(102.0) == 16 * S
    clock.stop()
    assert clock.time_ns(200.0) == 10 * S


def test_waiting_for_a_viewer_does_not_count():
    """Pauses are counted from the moment of the restart."""
    clock = RecordedClock()
    clock.take(10 * S, 100.0)
    clock.restart(150.0)

    assert clock.due_at(12 * S, 150.0) == 152.0
    assert clock.time_ns(151.0) == 11 * S


def test_what_is_recorded_behind_the_end_is_due_at_once():
    """And from there on time passes as it does for everyone."""
    clock = RecordedClock(10.0)
    clock.take(10 * S, 100.0)
    clock.follow(100.0)

    assert clock.due_at(500 * S, 101.0) == 101.0
    assert clock.time_ns(102.0) == 12 * S
