"""Tests of the events that may have to be sent again."""

from esper_bus.emit.resend_buffer import ResendBuffer
from esper_bus.limits import RESEND_BYTES, RESEND_EVENTS
from esper_bus.records import Batch

ALL = (10**6, 10**9)


def tiny(count, size=1):
    """Events of a given size."""
    return [(1, bytes(size))] * count


def numbers(batch):
    """The numbers of events."""
    return list(range(batch.first, batch.end))


class Spool:
    """A spool with the events of the given numbers, which records the reads."""

    def __init__(self, *ranges):
        self.batches = [Batch(numbers.start, tiny(len(numbers))) for numbers in ranges]
        self.asked = []

    def read(self, first, max_events, max_bytes):
        """Consecutive events from the first available one."""
        self.asked.append(first)
        found = (batch.part(first, max_events, max_bytes) for batch in self.batches if batch.end > first)
        return next(found, Batch(first, []))


def test_recent_events_come_from_memory():
    """Sending again what was just sent reads no file."""
    spool = Spool()
    buffer = ResendBuffer(spool.read)
    buffer.append(tiny(10))

    assert numbers(buffer.fetch(4, 3, 10**9)) == [4, 5, 6]
    assert spool.asked == []


def test_memory_is_bounded_by_number():
    """Events that are safe leave memory, except the last ones; older ones come from the spool."""
    entries = tiny(RESEND_EVENTS + 100)
    spool = Spool(range(len(entries)))
    buffer = ResendBuffer(spool.read)
    buffer.append(entries)
    buffer.mark_safe(len(entries))

    assert numbers(buffer.fetch(100, 2, 10**9)) == [100, 101]
    assert spool.asked == []
    assert numbers(buffer.fetch(99, 2, 10**9)) == [99, 100]
    assert spool.asked == [99]


def test_memory_is_bounded_by_bytes():
    """Large events leave memory too, even if they are few."""
    count = RESEND_BYTES // 10**6 + 5
    entries = tiny(count, 10**6)
    spool = Spool(range(len(entries)))
    buffer = ResendBuffer(spool.read)
    buffer.append(entries)
    buffer.mark_safe(count)
    buffer.fetch(0, 1, 1)

    assert spool.asked == [0]


def test_events_that_exist_nowhere_else_stay():
    """Without a spool nothing leaves memory before it is acknowledged."""
    buffer = ResendBuffer(Spool().read)
    buffer.append(tiny(RESEND_EVENTS + 100, 7))

    assert buffer.held_count == RESEND_EVENTS + 100
    assert buffer.held_bytes == 7 * (RESEND_EVENTS + 100)
    assert numbers(buffer.fetch(0, 2, 10**9)) == [0, 1]

    buffer.mark_safe(50)

    assert buffer.held_bytes == 7 * (RESEND_EVENTS + 50)
    assert numbers(buffer.held())[0] == 50


def test_events_in_spool_and_log_leave_memory():
    """Later requests read it from the spool; events that are not safe stay in memory."""
    entries = tiny(10)
    spool = Spool(range(len(entries)))
    buffer = ResendBuffer(spool.read)
    buffer.append(entries)
    buffer.mark_safe(8)
    buffer.drop_before(6)
    buffer.drop_before(3)

    assert numbers(buffer.fetch(6, 9, 10**9)) == [6, 7, 8, 9]
    assert spool.asked == []
    assert numbers(buffer.fetch(5, 1, 10**9)) == [5]
    assert spool.asked == [5]

    buffer.drop_before(20)

    assert numbers(buffer.held()) == [8, 9]


def test_what_is_safe_stays_safe():
    """A later call with a lower number changes nothing."""
    buffer = ResendBuffer(Spool().read)
    buffer.append(tiny(10))
    buffer.mark_safe(20)
    buffer.mark_safe(3)

    assert (buffer.held_count, buffer.held_bytes, buffer.held().entries) == (0, 0, [])


def test_older_events_are_read_in_large_pieces():
    """Catching up reads each chunk of the spool once, not once for each batch."""
    entries = tiny(2 * RESEND_EVENTS)
    spool = Spool(range(len(entries)))
    buffer = ResendBuffer(spool.read)
    buffer.append(entries)
    buffer.mark_safe(len(entries))
    batches = [buffer.fetch(first, 100, 10**9) for first in range(0, 1000, 100)]

    assert [seq for batch in batches for seq in numbers(batch)] == list(range(1000))
    assert spool.asked == [0]


def test_a_hole_in_the_spool_is_skipped():
    """The next event that exists is returned, from the spool or from memory."""
    entries = tiny(RESEND_EVENTS + 100)
    buffer = ResendBuffer(Spool(range(20)).read)
    buffer.append(entries)
    buffer.mark_safe(len(entries))

    assert numbers(buffer.fetch(18, 5, 10**9)) == [18, 19]
    assert numbers(buffer.fetch(20, 2, 10**9)) == [100, 101]


def test_memory_is_preferred_to_a_later_part_of_the_spool():
    """After a disk was full for a while, memory has what the spool skipped."""
    entries = tiny(RESEND_EVENTS + 100)
    buffer = ResendBuffer(Spool(range(20), range(200, RESEND_EVENTS + 100)).read)
    buffer.append(entries)
    buffer.mark_safe(len(entries))

    assert numbers(buffer.fetch(20, 2, 10**9)) == [100, 101]


def test_a_batch_is_bounded_by_bytes_but_never_empty():
    """At least one event is returned, however large."""
    buffer = ResendBuffer(Spool().read)
    buffer.append(tiny(10, 100))

    assert numbers(buffer.fetch(0, 9, 250)) == [0, 1]
    assert numbers(buffer.fetch(0, 9, 1)) == [0]
    assert buffer.fetch(10, *ALL).entries == []


def test_events_of_a_lost_spool_are_held_again():
    """Events of it that are still in memory count as held until they are safe again."""
    buffer = ResendBuffer(Spool().read)
    buffer.append(tiny(RESEND_EVENTS + 100))
    buffer.mark_safe(RESEND_EVENTS + 100)

    assert buffer.mark_lost(0) == RESEND_EVENTS
    assert (buffer.held_count, buffer.held_bytes) == (RESEND_EVENTS, RESEND_EVENTS)
    assert numbers(buffer.held()) == list(range(100, RESEND_EVENTS + 100))

    buffer.mark_safe(200)

    assert buffer.mark_lost(150) == 50
    assert buffer.mark_lost(300) == 0
    assert numbers(buffer.held())[0] == 150


def test_events_in_a_spool_that_cannot_be_read_are_delayed_and_not_lost():
    """Meanwhile nothing is returned; once the spool can be read, the events come in order."""
    readable = []
    spool = Spool(range(RESEND_EVENTS + 100))
    buffer = ResendBuffer(lambda *what: spool.read(*what) if readable else None)
    buffer.append(tiny(RESEND_EVENTS + 100))
    buffer.mark_safe(RESEND_EVENTS + 100)

    assert numbers(buffer.fetch(7, 5, 10**9)) == []

    readable.append(True)

    assert numbers(buffer.fetch(7, 5, 10**9)) == [7, 8, 9, 10, 11]
