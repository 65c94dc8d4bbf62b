"""Batches of logged events survive the way to subscribers, in messages of limited size."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esper_bus.limits import BATCH_BYTES, BATCH_EVENTS
from esper_bus.protocol.event_batches import (
    EventBatch,
    decode_records,
    encode_batch,
    encode_records,
    parse_batch,
    split,
)
from esper_bus.protocol.frames import FrameError, VersionError
from esper_bus.records import RawRecord, StreamKey


def test_a_batch_survives_the_way(records):
    """Also records of several producers."""
    other = StreamKey("run", "host:1", 2)
    batch = EventBatch("run", 5, 40, [*records(0, 2), *records(7, 8, other)])

    assert parse_batch(encode_batch(batch)) == batch


def test_an_empty_batch_gives_the_length_of_the_log():
    """It is how a subscriber learns that it missed nothing, or how much."""
    batch = EventBatch("run", 5, 40, [])

    assert parse_batch(encode_batch(batch)) == batch


def test_records_belong_to_the_run_of_the_message(records):
    """The run is named once for all of them."""
    assert decode_records("run", encode_records(records(0, 3))) == records(0, 3)
    assert {r.stream.run for r in decode_records("another", encode_records(records(0, 3)))} == {"another"}


def test_records_of_a_stream_share_its_key(records):
    """Making one for each would take longer than reading it."""
    first, second = decode_records("run", encode_records(records(0, 2)))

    assert first.stream is second.stream


@pytest.mark.parametrize("count", [0, 1, BATCH_EVENTS, BATCH_EVENTS + 1, 3 * BATCH_EVENTS])
def test_a_split_batch_has_the_same_records_at_the_same_positions(records, count):
    """At most so many in one message as the protocol allows."""
    parts = list(split(EventBatch("run", 5, 40, records(0, count))))

    assert [record for part in parts for record in part.records] == records(0, count)
    assert [part.first for part in parts] == [40 + n for n in range(0, count, BATCH_EVENTS)]
    assert {part[:2] for part in parts} <= {("run", 5)}


def test_large_records_are_sent_alone(key):
    """Two of them would exceed a message."""
    large = [RawRecord(key, seq, 0, 0, bytes(BATCH_BYTES // 2 + 1)) for seq in range(3)]

    assert [len(part.records) for part in split(EventBatch("run", 5, 0, large))] == [1, 1, 1]


def test_another_version_is_recognised(records):
    """The head begins with it."""
    topic, head, body = encode_batch(EventBatch("run", 5, 0, records(0, 1)))

    with pytest.raises(VersionError, match="version 2"):
        parse_batch([topic, b"\x02" + head[1:], body])


@pytest.mark.parametrize("topic", [b"event/", b"event/..", b"event/a/b", b"snapshot/run", b"event/\xff"])
def test_a_topic_that_names_no_run_is_refused(topic):
    """Before the events are decoded."""
    _, head, body = encode_batch(EventBatch("run", 5, 0, []))

    with pytest.raises(FrameError):
        parse_batch([topic, head, body])


@given(st.lists(st.binary(max_size=40), max_size=4), st.binary(max_size=24), st.binary(max_size=40))
def test_arbitrary_frames_are_refused_in_one_way(frames, head, body):
    """A head of the right size with any numbers is accepted; its body must be records."""
    for received in (
        frames,
        [b"event/run", head, body],
        [b"event/run", struct.pack("<B7xQQ", 1, 2, 3), body],
    ):
        try:
            batch = parse_batch(received)
        except FrameError:
            continue
        assert received[0].startswith(b"event/")
        assert encode_records(batch.records) == encode_records(decode_records(batch.run, received[2]))
