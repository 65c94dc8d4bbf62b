"""Channels of a file are streams of events; numbers beyond 32 bits are restored."""

import json

import pytest
from mcap.records import Channel

from esper_bus.mcap.chunk import ChunkBuilder
from esper_bus.mcap.event_channels import (
    META_TOPIC,
    EventChannels,
    NotAnEventChannelError,
    channel_metadata,
    event_schema,
    schema_hash,
)
from esper_bus.mcap.record_format import encode_record


def channel(key, first=0, number=1):
    """The channel of a stream."""
    return Channel(number, "topic", "msgpack", channel_metadata(key, first), 0)


def content(*sequences, described=()):
    """The content of a chunk with messages of channel 1."""
    builder = ChunkBuilder(None)
    for each in described:
        builder.add(each)
    builder.fill(1, iter([(sequence, 0, 0, b"") for sequence in sequences]))
    return builder.build().content


def numbers(channels, chunk):
    """The sequence numbers of the records of a chunk."""
    return [record.seq for record in channels.decode(chunk)]


def test_a_described_channel_is_remembered_for_later_chunks(key):
    """It is described in an earlier chunk, or known from the start."""
    channels = EventChannels()
    assert not channels
    assert numbers(channels, content(0, 1, described=[channel(key)])) == [0, 1]
    assert channels
    assert numbers(channels, content(2)) == [2]

    (record,) = EventChannels([channel(key)]).decode(content(2))
    assert (record.stream, record.seq) == (key, 2)


def test_a_channel_that_was_not_described_is_an_error():
    """Its stream is unknown."""
    with pytest.raises(KeyError):
        EventChannels().decode(content(0))


@pytest.mark.parametrize("metadata", [{}, {"run": "r", "producer": "p", "epoch": "x", "first_seq": "0"}])
def test_a_channel_of_something_else_is_an_error(metadata):
    """Such as one of another program."""
    other = Channel(1, "camera", "msgpack", metadata, 0)

    with pytest.raises(NotAnEventChannelError, match="camera"):
        EventChannels([other]).decode(content(0))


@pytest.mark.parametrize(
    "seqs",
    [
        [2**32 - 1, 2**32, 2**32 + 1],
        [5 * 2**32 + 3, 5 * 2**32 + 9, 5 * 2**32 + 4],
        [0, 2**31 - 1, 2**31],
        [2, 1, 0],
    ],
)
def test_full_numbers_follow_from_those_modulo_32_bits(key, seqs):
    """Each is the nearest one to the number before it, also behind a gap or where events are repeated."""
    assert numbers(EventChannels([channel(key, seqs[0])]), content(*seqs)) == seqs


def test_a_number_is_never_negative(key):
    """In a damaged file the nearest one may be."""
    assert numbers(EventChannels([channel(key)]), content(2**32 - 1)) == [2**32 - 1]


def test_the_description_of_a_file_is_not_an_event(key):
    """It is kept as it was read."""
    meta = Channel(1, META_TOPIC, "json", {}, 0)
    builder = ChunkBuilder(None)
    builder.fill(1, iter([(0, 0, 0, b'{"kind":"log"}')]))
    channels = EventChannels([meta])

    assert channels.decode(builder.build().content) == []
    assert channels.meta == b'{"kind":"log"}'


def test_channels_of_damaged_bytes_are_added_as_far_as_they_are_whole(key):
    """Nothing is raised."""
    channels = EventChannels()
    channels.add_described(encode_record(channel(key)) + b"\x04\xff\xff\xff\xff\xff\xff\xff\xff")

    assert numbers(channels, content(0)) == [0]


def test_a_record_that_is_cut_short_is_an_error(key):
    """The length of its head goes beyond the chunk."""
    with pytest.raises(ValueError, match="cut short"):
        EventChannels([channel(key)]).decode(content(0, 1)[:-1])


def test_the_schema_describes_all_events():
    """Without a trace of the library that made it, so that its hash is that of the contract."""
    schema = json.loads(event_schema())

    assert {"PPOUpdateCompleted", "RunStarted"} <= set(schema["$defs"])
    assert "\\n    " not in event_schema().decode()
    assert 0 <= schema_hash() < 2**32
