"""Tests of when a queue is drained."""

from esper_bus.pace import LONGEST_S, SHORTEST_S, Pace


def test_a_lone_event_is_taken_at_once():
    """After silence, the first event is due when it comes."""
    pace = Pace()
    before = pace.due(5.0)
    pace.woken(5.0)

    assert (before, pace.due(5.0)) == (False, True)


def test_events_ten_milliseconds_apart_are_each_taken_at_once():
    """The pause after a lone event is over before the next one comes."""
    pace = Pace()
    for number in range(100):
        now = number * 0.01
        pace.woken(now)

        assert pace.due(now)

        pace.drained(now, 1)
        pace.drained(now + SHORTEST_S, 0)

        assert pace.drain_at is None


def test_under_load_pauses_grow_to_the_longest():
    """A busy trainer is interrupted fifty times a second, not more."""
    pace = Pace()
    now, pauses = 0.0, []
    pace.woken(now)
    for _ in range(8):
        pace.drained(now, 10)
        pauses.append(pace.drain_at - now)
        now = pace.drain_at

    assert pauses[0] < 0.003
    assert pauses == sorted(pauses)
    assert max(pauses[-3:]) - LONGEST_S < 1e-9


def test_what_is_left_over_is_taken_at_once():
    """A drain that could not take everything is followed by another."""
    pace = Pace()
    pace.woken(1.0)
    pace.drained(1.0, 10, more=True)

    assert pace.due(1.0)


def test_a_wake_up_does_not_shorten_a_pause():
    """Under load, events wait for the end of the pause."""
    pace = Pace()
    pace.woken(1.0)
    pace.drained(1.0, 10)
    pace.woken(1.001)

    assert not pace.due(1.001)
