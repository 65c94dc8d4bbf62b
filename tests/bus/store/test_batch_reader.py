"""A batch reader divides any records into batches of consecutive ones, and loses none."""

from itertools import chain

import pytest

from esper_bus.records import StreamKey
from esper_bus.store.batch_reader import BatchReader


def batches(records, max_events=99, max_bytes=10**6):
    """All batches, up to the first empty one."""
    reader = BatchReader(iter(records))
    return list(iter(lambda: reader.take(max_events, max_bytes), []))


@pytest.fixture
def mixed(records):
    """Records with a gap and of two streams."""
    other = StreamKey("run", "host:1", 1)
    return [*records(0, 3), *records(4, 6), *records(0, 2, other), *records(6, 7)]


def test_a_batch_ends_where_records_are_not_consecutive(mixed):
    """Behind a gap and at another stream."""
    assert [len(batch) for batch in batches(mixed)] == [3, 2, 2, 1]


@pytest.mark.parametrize("max_events", [1, 2, 3])
@pytest.mark.parametrize("max_bytes", [0, 150, 10**6])
def test_no_record_is_lost_or_repeated(mixed, max_events, max_bytes):
    """The record that ended a batch begins the next one, whichever limit ended it."""
    found = batches(mixed, max_events, max_bytes)

    assert list(chain.from_iterable(found)) == mixed
    assert max(map(len, found)) <= max_events


def test_a_large_record_is_a_batch_of_its_own(records):
    """It is not left in the reader for ever."""
    assert batches(records(0, 2), max_bytes=0) == [records(0, 1), records(1, 2)]


def test_at_the_end_batches_are_empty(records):
    """However often one is asked for."""
    reader = BatchReader(iter(records(0, 1)))

    assert [len(reader.take(9, 999)) for _ in range(3)] == [1, 0, 0]
