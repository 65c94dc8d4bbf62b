"""Tests of the events that may have to be sent again."""

from esper_bus.emit.resend_buffer import ResendBuffer
from esper_bus.limits import RING_BYTES, RING_EVENTS
from esper_bus.records import Batch

ALL = (10**6, 10**9)


def tiny(count, size=1):
    """Events of a given size."""
    return [(1, bytes(size))] * count


def numbers(batch):
    """The numbers of events."""
    return list(range(batch.first, batch.end))


class Spool:
    """Remembers what was asked of it, and has the events with the given numbers."""

    def __init__(self, *ranges):
        self.batches = [Batch(numbers.start, tiny(len(numbers))) for numbers in ranges]
        self.asked = []

    def read(self, first, max_events, max_bytes):
        """Consecutive events from the first one that there is."""
        self.asked.append(first)
        found = (batch.part(first, max_events, max_bytes) for batch in self.batches if batch.end > first)
        return next(found, Batch(first, []))


def test_recent_events_come_from_memory():
    """Sending again what was just sent reads no file."""
    spool = Spool()
    backlog = ResendBuffer(spool.read)
    backlog.append(tiny(10))

    assert numbers(backlog.fetch(4, 3, 10**9)) == [4, 5, 6]
    assert spool.asked == []


def test_memory_is_bounded_by_number():
    """Events that are safe leave memory, except the last ones; older ones come from the spool."""
    entries = tiny(RING_EVENTS + 100)
    spool = Spool(range(len(entries)))
    backlog = ResendBuffer(spool.read)
    backlog.append(entries)
    backlog.mark_safe(len(entries))

    assert numbers(backlog.fetch(100, 2, 10**9)) == [100, 101]
    assert spool.asked == []
    assert numbers(backlog.fetch(99, 2, 10**9)) == [99, 100]
    assert spool.asked == [99]


def test_memory_is_bounded_by_bytes():
    """Few large events leave memory too."""
    count = RING_BYTES // 10**6 + 5
    entries = tiny(count, 10**6)
    spool = Spool(range(len(entries)))
    backlog = ResendBuffer(spool.read)
    backlog.append(entries)
    backlog.mark_safe(count)
    backlog.fetch(0, 1, 1)

    assert spool.asked == [0]


def test_events_that_exist_nowhere_else_stay():
    """Without a spool nothing leaves memory before it is acknowledged."""
    backlog = ResendBuffer(Spool().read)
    backlog.append(tiny(RING_EVENTS + 100, 7))

    assert backlog.held_count == RING_EVENTS + 100
    assert backlog.held_bytes == 7 * (RING_EVENTS + 100)
    assert numbers(backlog.fetch(0, 2, 10**9)) == [0, 1]

    backlog.mark_safe(50)

    assert backlog.held_bytes == 7 * (RING_EVENTS + 50)
    assert numbers(backlog.held())[0] == 50


def test_what_is_in_spool_and_log_leaves_memory():
    """Whoever asks for it again gets it from the spool; what exists nowhere else stays."""
    entries = tiny(10)
    spool = Spool(range(len(entries)))
    backlog = ResendBuffer(spool.read)
    backlog.append(entries)
    backlog.mark_safe(8)
    backlog.forget(6)
    backlog.forget(3)

    assert numbers(backlog.fetch(6, 9, 10**9)) == [6, 7, 8, 9]
    assert spool.asked == []
    assert numbers(backlog.fetch(5, 1, 10**9)) == [5]
    assert spool.asked == [5]

    backlog.forget(20)

    assert numbers(backlog.held()) == [8, 9]


def test_what_is_safe_stays_safe():
    """A late or impossible word changes nothing."""
    backlog = ResendBuffer(Spool().read)
    backlog.append(tiny(10))
    backlog.mark_safe(20)
    backlog.mark_safe(3)

    assert (backlog.held_count, backlog.held_bytes, backlog.held().entries) == (0, 0, [])


def test_older_events_are_read_in_large_pieces():
    """Catching up reads each chunk of the spool once, not once for each batch."""
    entries = tiny(2 * RING_EVENTS)
    spool = Spool(range(len(entries)))
    backlog = ResendBuffer(spool.read)
    backlog.append(entries)
    backlog.mark_safe(len(entries))
    batches = [backlog.fetch(first, 100, 10**9) for first in range(0, 1000, 100)]

    assert [seq for batch in batches for seq in numbers(batch)] == list(range(1000))
    assert spool.asked == [0]


def test_a_hole_in_the_spool_is_seen():
    """The next event that exists is returned, from wherever it is."""
    entries = tiny(RING_EVENTS + 100)
    backlog = ResendBuffer(Spool(range(20)).read)
    backlog.append(entries)
    backlog.mark_safe(len(entries))

    assert numbers(backlog.fetch(18, 5, 10**9)) == [18, 19]
    assert numbers(backlog.fetch(20, 2, 10**9)) == [100, 101]


def test_memory_is_preferred_to_a_later_part_of_the_spool():
    """After a disk was full for a while, memory has what the spool skipped."""
    entries = tiny(RING_EVENTS + 100)
    backlog = ResendBuffer(Spool(range(20), range(200, RING_EVENTS + 100)).read)
    backlog.append(entries)
    backlog.mark_safe(len(entries))

    assert numbers(backlog.fetch(20, 2, 10**9)) == [100, 101]


def test_a_batch_is_bounded_by_bytes_but_never_empty():
    """At least one event is returned, however large."""
    backlog = ResendBuffer(Spool().read)
    backlog.append(tiny(10, 100))

    assert numbers(backlog.fetch(0, 9, 250)) == [0, 1]
    assert numbers(backlog.fetch(0, 9, 1)) == [0]
    assert backlog.fetch(10, *ALL).entries == []


def test_what_a_lost_spool_had_is_held_again():
    """As far as it is in memory and not acknowledged; it makes no room until it is safe again."""
    backlog = ResendBuffer(Spool().read)
    backlog.append(tiny(RING_EVENTS + 100))
    backlog.mark_safe(RING_EVENTS + 100)

    assert backlog.take_back(0) == RING_EVENTS
    assert (backlog.held_count, backlog.held_bytes) == (RING_EVENTS, RING_EVENTS)
    assert numbers(backlog.held()) == list(range(100, RING_EVENTS + 100))

    backlog.mark_safe(200)

    assert backlog.take_back(150) == 50
    assert backlog.take_back(300) == 0
    assert numbers(backlog.held())[0] == 150
