"""The encoded forms of an event, and the one rule by which events are divided into batches."""

import pytest

from esper_bus.records import (
    Batch,
    StreamKey,
    consecutive,
    data_size,
    entry_data,
    record_data,
    take_batch,
)
from esper_schemas.events import Undecodable

SIZES = (3, 4, 5)
ENTRIES = [(number, bytes(size)) for number, size in enumerate(SIZES)]


@pytest.mark.parametrize(
    ("max_events", "max_bytes", "taken"),
    [(9, 99, 3), (2, 99, 2), (9, 12, 3), (9, 11, 2), (9, 7, 2), (9, 6, 1), (9, 0, 1), (0, 99, 0)],
)
def test_a_batch_keeps_within_both_limits(max_events, max_bytes, taken):
    """It has one item even if that alone exceeds the size, unless no item is allowed."""
    assert take_batch(ENTRIES, max_events, max_bytes, entry_data) == ENTRIES[:taken]


def test_a_batch_of_nothing_is_empty():
    """There is no first item to make an exception for."""
    assert take_batch([], 9, 99, entry_data) == []


def test_an_iterator_loses_only_the_item_that_did_not_fit():
    """Callers that need that item again have to remember it."""
    entries = iter(ENTRIES)

    assert take_batch(entries, 9, 3, entry_data) == ENTRIES[:1]
    assert list(entries) == ENTRIES[2:]


def test_consecutive_records_end_at_a_gap_or_another_stream(records, key):
    """The record after the gap is not returned."""
    other = StreamKey("run", "host:1", 1)

    assert list(consecutive(records(0, 3))) == records(0, 3)
    assert list(consecutive([*records(0, 2), *records(3, 5)])) == records(0, 2)
    assert list(consecutive([*records(0, 2), *records(2, 4, other)])) == records(0, 2)
    assert list(consecutive([])) == []


def test_a_batch_knows_its_numbers(batch, records):
    """`of` takes the first number from the records; without records, from its argument."""
    assert Batch.of(0, records(4, 7)) == batch(4, 7)
    assert (batch(4, 7).first, batch(4, 7).end) == (4, 7)
    assert Batch.of(5, []) == Batch(5, [])
    assert Batch(5, []).end == 5


def test_a_part_of_a_batch_begins_where_it_is_asked_to(batch):
    """At an event before the batch, the part begins with the batch; behind the batch it is empty."""
    whole = batch(4, 9)

    assert whole.part(6, 2, 9999) == batch(6, 8)
    assert whole.part(0, 9, 9999) == whole
    assert whole.part(4, 9, len(whole.entries[0][1])) == batch(4, 5)
    assert whole.part(9, 9, 9999).entries == []


def test_a_record_decodes_to_its_event(records, episode):
    """With its identity and both times; bytes that are not an event become `Undecodable`."""
    (raw,) = records(7, 8)
    record = raw.decoded()

    assert record.event == episode(7)
    assert (record.run, record.producer, record.epoch, record.seq) == (*raw.stream, 7)
    assert (record.emitted_ns, record.received_ns) == (raw.emitted_ns, raw.emitted_ns + 5)
    broken = type(raw)(raw.stream, 7, 1, 2, b"\xc1").decoded()
    assert isinstance(broken.event, Undecodable)
    assert broken.event.raw == b"\xc1"


def test_the_size_of_entries_is_that_of_their_events():
    """Without the times."""
    assert data_size(ENTRIES) == sum(SIZES)
    assert data_size([]) == 0


def test_a_record_gives_its_encoded_event(records):
    """As `take_batch` wants it."""
    (raw,) = records(0, 1)

    assert record_data(raw) == raw.data
