"""A chunk has its messages, their times and one checksum; the package of the format reads it."""

import io
import struct

import pytest
import zstandard
from mcap.data_stream import ReadDataStream
from mcap.opcode import Opcode
from mcap.records import Channel, Chunk, ChunkIndex, MessageIndex
from mcap.stream_reader import breakup_chunk

from esper_bus.limits import CHUNK_BYTES
from esper_bus.mcap.chunk import ChunkBuilder
from esper_bus.mcap.record_format import split_records

MESSAGES = [(2**32 + 7, 30, 3, b"a"), (2**32 + 8, 10, 1, b"bb"), (2**32 + 9, 20, 2, b"")]


def built(compressor=None, messages=MESSAGES):
    """A chunk with one channel and these messages."""
    builder = ChunkBuilder(compressor)
    builder.add(Channel(5, "topic", "msgpack", {}, 0))
    assert not builder.fill(5, iter(messages))
    return builder.build()


def parsed(chunk):
    """The chunk as the package of the format reads it."""
    ((opcode, body),) = split_records(chunk.head + chunk.content)
    assert opcode == Opcode.CHUNK
    return Chunk.read(ReadDataStream(io.BytesIO(body)))


@pytest.mark.parametrize("compressor", [None, zstandard.ZstdCompressor()])
def test_another_reader_finds_channel_and_messages(compressor):
    """It checks the checksum; sequence numbers are modulo 2^32."""
    channel, *messages = breakup_chunk(parsed(built(compressor)), validate_crc=True)

    assert (channel.id, channel.topic) == (5, "topic")
    assert [(m.sequence, m.log_time, m.publish_time, m.data) for m in messages] == [
        (7, 30, 3, b"a"),
        (8, 10, 1, b"bb"),
        (9, 20, 2, b""),
    ]


def test_the_times_are_the_first_and_the_last():
    """Of the log times, in any order; a chunk without messages has none."""
    chunk = parsed(built())

    assert (chunk.message_start_time, chunk.message_end_time) == (10, 30)
    assert parsed(built(messages=[])).message_end_time == 0


def test_each_channel_has_an_index_of_its_messages():
    """By offset in the uncompressed content."""
    chunk = built(zstandard.ZstdCompressor())
    ((opcode, body),) = split_records(chunk.indexes[5])
    index = MessageIndex.read(ReadDataStream(io.BytesIO(body)))
    content = zstandard.decompress(chunk.content)

    assert opcode == Opcode.MESSAGE_INDEX
    assert [time for time, _ in index.records] == [30, 10, 20]
    assert [struct.unpack_from("<B", content, at)[0] for _, at in index.records] == [Opcode.MESSAGE] * 3
    assert chunk.messages == {5: 3}


def test_a_channel_without_messages_has_no_index():
    """It would be empty."""
    assert built(messages=[]).indexes == {}


def test_the_summary_says_where_the_chunk_and_its_indexes_are():
    """For readers that start at the end of a file."""
    chunk = built(zstandard.ZstdCompressor())
    ((_, body),) = split_records(chunk.index_record(1000))
    index = ChunkIndex.read(ReadDataStream(io.BytesIO(body)))
    data = b"".join(chunk.parts)

    assert (index.chunk_start_offset, index.compression) == (1000, "zstd")
    at = index.message_index_offsets[5] - 1000
    assert at == index.chunk_length
    assert data[at:] == chunk.indexes[5]
    assert index.message_index_length == len(chunk.indexes[5])
    assert index.uncompressed_size == len(zstandard.decompress(chunk.content))


def test_a_chunk_is_full_once_it_has_its_size():
    """The messages that were not taken stay in the iterator; one may be larger than a chunk."""
    builder = ChunkBuilder(None)
    messages = iter([(0, 0, 0, bytes(2 * CHUNK_BYTES)), (1, 0, 0, b"")])

    assert builder.fill(1, messages)
    assert builder.size > 2 * CHUNK_BYTES
    assert [number for number, *_ in messages] == [1]
