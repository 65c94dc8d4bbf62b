"""Tests of when a queue is drained."""

import pytest

from esper_bus.emit.polling import IDLE_AFTER_S, LONGEST_S, POLL_S, PollingInterval


def drains(pace, emitted, end):
    """When a queue is drained, and how long each event waited, for events that come at these times."""
    waiting, emitted = [], list(emitted)
    found, waits = [], []
    while True:
        if pace.drain_at is None:
            if not emitted:
                return found, waits
            pace.start(emitted[0])
        now = pace.drain_at
        if now > end:
            return found, waits
        while emitted and emitted[0] <= now:
            waiting.append(emitted.pop(0))
        found.append(now)
        waits += [now - at for at in waiting]
        pace.drained(now, len(waiting))
        waiting.clear()


def test_a_lone_event_is_taken_at_once():
    """After a silence, the first event is due immediately."""
    pace = PollingInterval()
    before = pace.is_due(5.0)
    pace.start(5.0)

    assert (before, pace.is_due(5.0)) == (False, True)


@pytest.mark.parametrize("apart", [0.0035, 0.005, 0.01, 0.05, 1.0])
def test_rare_events_wait_some_milliseconds(apart):
    """No event waits longer than one poll, at any interval between them."""
    _, waits = drains(PollingInterval(), [apart * number for number in range(200)], 200 * apart)

    assert len(waits) == 200
    assert max(waits) < POLL_S + 1e-9


def test_a_burst_among_rare_events_does_not_make_them_wait():
    """The pauses are short again after the burst."""
    rare, burst = [0.01 * number for number in range(100)], [0.3 + 0.0001 * number for number in range(500)]
    _, waits = drains(PollingInterval(), sorted(rare + burst), 1.0)

    assert max(waits[-50:]) < POLL_S + 1e-9


def test_under_load_pauses_grow_to_the_longest():
    """A busy trainer is interrupted about fifty times a second."""
    found, _ = drains(PollingInterval(), [0.001 * number for number in range(1000)], 0.999)

    assert max(b - a for a, b in zip(found[-5:], found[-4:], strict=False)) - LONGEST_S < 1e-9
    assert len(found) < 60


def test_after_a_silence_polling_stops():
    """Polling stops some time after the last event, since every poll has a cost."""
    pace = PollingInterval()
    found, _ = drains(pace, [1.0], 100.0)

    assert pace.drain_at is None
    assert IDLE_AFTER_S <= found[-1] - 1.0 < IDLE_AFTER_S + 2 * POLL_S


def test_remaining_events_are_taken_at_once():
    """A drain that could not take everything is followed by another."""
    pace = PollingInterval()
    pace.start(1.0)
    pace.drained(1.0, 10, more=True)

    assert pace.is_due(1.0)


def test_a_wake_up_does_not_shorten_a_pause():
    """Under load, events wait for the end of the pause."""
    pace = PollingInterval()
    pace.start(1.0)
    pace.drained(1.0, 10)
    pace.start(1.001)

    assert not pace.is_due(1.001)
