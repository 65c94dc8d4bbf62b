"""Tests of the bounded queue."""

import threading

from esper_bus.emit_queue import EmitQueue
from esper_bus.limits import MAX_EVENT_BYTES
from esper_schemas.events import EventsDropped


class A:
    """A kind of event."""


class B:
    """Another kind of event."""


def test_events_come_out_as_they_went_in():
    """First in, first out, with their times."""
    queue = EmitQueue(10, 1000)
    for number in range(3):
        queue.put(A, number, b"%d" % number)

    assert queue.take() == [(0, b"0"), (1, b"1"), (2, b"2")]
    assert queue.take() == []


def test_what_finds_no_room_is_counted():
    """A full queue takes nothing, and says so once there is room."""
    queue = EmitQueue(10, 1000)
    for number in range(15):
        queue.put(A if number < 12 else B, 100 + number, b"x")
    early = queue.losses()
    taken = queue.take()
    queue.account(taken, 0, 0)

    assert (len(taken), early) == (10, None)
    assert queue.losses() == EventsDropped(count=5, first_ns=110, last_ns=114, by_kind={"A": 2, "B": 3})
    assert queue.losses() is None
    assert (queue.offered, queue.dropped) == (15, 5)


def test_only_new_losses_are_reported():
    """The sum of all reports is the number of dropped events."""
    queue = EmitQueue(10, 1000)
    queue.drop(A, 1)
    first = queue.losses()
    queue.drop(A, 2)
    queue.drop(B, 3)

    assert first == EventsDropped(count=1, first_ns=1, last_ns=1, by_kind={"A": 1})
    assert queue.losses() == EventsDropped(count=2, first_ns=2, last_ns=3, by_kind={"A": 1, "B": 1})


def test_bytes_are_bounded_too():
    """Few large events fill a queue."""
    queue = EmitQueue(10, 1000)
    for _ in range(4):
        queue.put(A, 1, bytes(300))

    assert (len(queue), queue.dropped) == (3, 1)


def test_what_the_taker_holds_takes_room():
    """Events that left the queue but are nowhere else still count."""
    queue = EmitQueue(10, 1000)
    for _ in range(8):
        queue.put(A, 1, b"x")
    queue.account(queue.take(), 8, 8)
    for _ in range(5):
        queue.put(A, 1, b"x")

    assert (len(queue), queue.dropped) == (2, 3)

    queue.account([], 0, 0)
    queue.put(A, 1, b"x")

    assert len(queue) == 3


def test_an_event_too_large_to_be_sent_is_refused():
    """It would block its stream for ever."""
    queue = EmitQueue(10, 10**9)
    queue.put(A, 1, bytes(MAX_EVENT_BYTES + 1))

    assert (len(queue), queue.dropped) == (0, 1)


def test_a_closed_queue_takes_nothing():
    """Events after the end are counted."""
    queue = EmitQueue(10, 1000)
    queue.close()
    queue.put(A, 1, b"x")

    assert (len(queue), queue.dropped) == (0, 1)


def test_many_threads_may_put():
    """Nothing is lost or counted twice between threads."""
    queue = EmitQueue(3000, 10**6)

    def put():
        for _ in range(1000):
            queue.put(A, 1, b"x")

    threads = [threading.Thread(target=put) for _ in range(4)]
    for thread in threads:
        thread.start()
    taken = []
    while any(thread.is_alive() for thread in threads):
        taken += queue.take()
    for thread in threads:
        thread.join()
    taken += queue.take()

    assert len(taken) == 3000
    assert queue.dropped == 1000
