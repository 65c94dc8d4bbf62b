"""Tests of the bounded queue."""

import threading
import time

import pytest

from esper_bus.emit.emit_queue import EmitQueue
from esper_bus.limits import CHUNK_BYTES, MAX_EVENT_BYTES
from esper_schemas.codec import decode_event, encode_event
from esper_schemas.events import CheckpointSaved, EventsDropped, LogRecorded


def line(message="x"):
    """An event."""
    return LogRecorded(level="info", message=message)


def put(queue, count, message="x"):
    """Put some events."""
    for _ in range(count):
        queue.put(line(message))


def test_events_come_out_as_they_went_in():
    """Order and times are kept, also for more events than there are buffers to reuse."""
    queue = EmitQueue(1000, 10**6)
    before = time.time_ns()
    messages = [str(number) * number for number in range(100)]
    for message in messages * 2:
        queue.put(line(message))
    taken = queue.take()
    queue.put(line("last"))

    assert [decode_event(data).message for _, data in taken] == messages * 2
    assert all(type(data) is bytes and before <= at <= time.time_ns() for at, data in taken)
    assert [decode_event(data).message for _, data in queue.take()] == ["last"]
    assert queue.take() == []


def test_an_event_is_encoded_as_everywhere_else():
    """The content of a reused buffer does not matter."""
    queue = EmitQueue(10, 10**6)
    for event in (line("x" * 5000), line(), CheckpointSaved(update=1, path="p")):
        queue.put(event)
        ((_, data),) = queue.take()

        assert data == encode_event(event)


def test_events_beyond_the_limit_are_counted():
    """A full queue drops events, and reports them by kind once there is room."""
    queue = EmitQueue(10, 10**6)
    put(queue, 12)
    for _ in range(3):
        queue.put(CheckpointSaved(update=1, path="p"))
    early = queue.losses()
    taken = queue.take()
    full = queue.losses()
    queue.account(0, 0)
    losses = queue.losses()

    assert (len(taken), early, full) == (10, None, None)
    assert losses == EventsDropped(
        count=5,
        first_ns=losses.first_ns,
        last_ns=losses.last_ns,
        by_kind={"LogRecorded": 2, "CheckpointSaved": 3},
    )
    assert losses.first_ns < losses.last_ns
    assert queue.losses() is None
    assert (queue.offered, queue.dropped) == (15, 5)


def test_only_new_losses_are_reported():
    """The sum of all reports is the number of dropped events."""
    queue = EmitQueue(10, 10**6)
    put(queue, 11)
    first = queue.losses(even_if_full=True)
    put(queue, 2)

    assert first.by_kind == {"LogRecorded": 1}
    assert queue.losses(even_if_full=True).by_kind == {"LogRecorded": 2}


def test_bytes_are_bounded_too():
    """A few large events fill a queue; taken ones make room once they are safe."""
    queue = EmitQueue(10, 1000)
    put(queue, 4, "x" * 270)
    first = len(queue), queue.dropped
    queue.take()
    put(queue, 1, "x" * 270)
    held = len(queue), queue.dropped
    queue.account(0, 0)
    put(queue, 4, "x" * 270)

    assert (first, held) == ((3, 1), (0, 2))
    assert (len(queue), queue.dropped) == (3, 3)


def test_many_events_are_taken_in_pieces():
    """Each take is about a chunk of a file; `exceeds_one_take` and `half_full` describe what is left."""
    queue = EmitQueue(1000, 4 * CHUNK_BYTES)
    put(queue, 25, "x" * (CHUNK_BYTES // 10))
    seen = [(len(queue), queue.exceeds_one_take, queue.half_full)]
    for _ in range(3):
        taken = len(queue.take())
        queue.account(0, 0)
        seen.append((taken, queue.exceeds_one_take, queue.half_full))

    assert seen == [(25, True, True), (9, True, False), (9, False, False), (7, False, False)]


def test_many_small_events_make_a_queue_half_full():
    """The number of events is bounded as well as their bytes."""
    queue = EmitQueue(10, 10**6)
    put(queue, 5)
    early = queue.half_full
    put(queue, 1)

    assert (early, queue.half_full) == (False, True)


def test_events_held_by_the_taker_take_room():
    """Events that were taken and are not safe yet count against the limit."""
    queue = EmitQueue(10, 10**6)
    put(queue, 8)
    queue.take()
    put(queue, 3)  # between taking and accounting, too
    queue.take()
    queue.account(8, 8)
    put(queue, 5)

    assert (len(queue), queue.dropped) == (2, 4)

    queue.account(0, 0)
    put(queue, 1)

    assert len(queue) == 3


def test_an_event_too_large_to_be_sent_is_refused():
    """It is counted as dropped, and takes no room from other events."""
    queue = EmitQueue(10, MAX_EVENT_BYTES + 10)
    put(queue, 1, "x" * MAX_EVENT_BYTES)
    put(queue, 2)

    assert (len(queue), queue.dropped) == (2, 1)


def test_an_event_that_the_encoder_refuses_is_encoded_in_another_way():
    """Integers beyond 64 bits and characters that UTF-8 does not have are replaced."""
    queue = EmitQueue(10, 10**6)
    queue.put(LogRecorded(level="info", message="\ud800", fields={"large": 2**70}))
    ((_, data),) = queue.take()

    assert decode_event(data) == LogRecorded(level="info", message="?", fields={"large": 2.0**70})
    assert queue.dropped == 0


def test_an_event_that_cannot_be_encoded_is_counted(monkeypatch):
    """`put` raises what the encoder raised, and the event is counted as dropped."""

    def fail(*_):
        raise MemoryError

    monkeypatch.setattr("esper_bus.emit.emit_queue.encode_refused_event_into", fail)
    queue = EmitQueue(10, 10**6)
    for _ in range(100):
        with pytest.raises(MemoryError):
            queue.put(LogRecorded(level="info", message="\ud800"))
    put(queue, 1)

    assert (len(queue), queue.dropped) == (1, 100)


def test_a_closed_queue_accepts_nothing():
    """Events after the close are counted as dropped; so are those that were never taken."""
    queue = EmitQueue(10, 10**6)
    put(queue, 2)
    queue.close()
    queue.account(0, 0)
    put(queue, 1)
    waiting = len(queue), queue.dropped
    queue.drop_waiting()

    assert waiting == (2, 1)
    assert (len(queue), queue.dropped, queue.offered) == (0, 3, 3)


def test_many_threads_may_put():
    """With four threads, each event is either taken or counted as dropped."""
    queue = EmitQueue(3000, 10**6)
    threads = [threading.Thread(target=put, args=(queue, 1000, str(number) * 50)) for number in range(4)]
    for thread in threads:
        thread.start()
    taken = []
    while any(thread.is_alive() for thread in threads):
        taken += queue.take()
    taken += queue.take()
    messages = [decode_event(data).message for _, data in taken]

    assert 3000 <= len(taken) <= 3003
    assert len(taken) + queue.dropped == queue.offered == 4000
    assert set(messages) <= {str(number) * 50 for number in range(4)}


def test_an_idle_queue_sets_the_wake_up_once():
    """`put` sets the wake-up only if the queue is marked idle, and once for several events."""
    queue = EmitQueue(10, 10**6)
    put(queue, 1)
    before = queue.wake_up.wait(0)
    queue.idle = True
    put(queue, 2)

    assert (before, queue.wake_up.wait(0), queue.wake_up.wait(0)) == (False, True, False)
