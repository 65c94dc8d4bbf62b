"""One chunk of an MCAP file: messages that are written together and share one checksum."""

import struct
import zlib
from array import array
from typing import NamedTuple

import zstandard
from mcap.data_stream import RecordBuilder
from mcap.opcode import Opcode
from mcap.records import Channel, Chunk, ChunkIndex, McapRecord, Schema

_MESSAGE = struct.Struct("<BQHIQQ")  # opcode, length, channel, sequence, log_time, publish_time
_MESSAGE_FIELDS = 22
_INDEX = struct.Struct("<BQHI")  # opcode, length, channel, bytes that follow
_ZSTD = zstandard.ZstdCompressor(level=1)


def encode_record(record: McapRecord) -> bytes:
    """One record of the format as bytes."""
    builder = RecordBuilder()
    record.write(builder)
    return bytes(builder.end())  # type: ignore[no-untyped-call]


class BuiltChunk(NamedTuple):
    """A chunk ready to be appended: its record, the message indexes behind it, what is in it."""

    record: Chunk
    chunk: bytes
    indexes: dict[int, bytes]
    messages: dict[int, int]

    def data(self) -> bytes:
        """All bytes to append."""
        return b"".join((self.chunk, *self.indexes.values()))

    def index_record(self, offset: int) -> bytes:
        """The record of the file's summary that finds this chunk, which begins at `offset`."""
        offsets, at = {}, offset + len(self.chunk)
        for channel, index in self.indexes.items():
            offsets[channel] = at
            at += len(index)
        return encode_record(
            ChunkIndex(
                chunk_length=len(self.chunk),
                chunk_start_offset=offset,
                compression=self.record.compression,
                compressed_size=len(self.record.data),
                message_end_time=self.record.message_end_time,
                message_index_length=at - offset - len(self.chunk),
                message_index_offsets=offsets,
                message_start_time=self.record.message_start_time,
                uncompressed_size=self.record.uncompressed_size,
            )
        )


class ChunkBuilder:
    """Collects schemas, channels and messages; `size` is their bytes before compression."""

    def __init__(self, *, compress: bool) -> None:
        self.size = 0
        self._compress = compress
        self._parts: list[bytes] = []
        self._index: dict[int, array[int]] = {}
        self._first_time = (1 << 64) - 1
        self._last_time = 0

    def add(self, record: Schema | Channel) -> None:
        """Add a description of the messages that follow."""
        self._append(encode_record(record))

    def message(self, channel: int, sequence: int, log_time: int, publish_time: int, data: bytes) -> None:
        """Add a message; `sequence` is kept modulo 2^32, times are nanoseconds since 1970."""
        index = self._index.get(channel)
        if index is None:
            index = self._index[channel] = array("Q")
        index.extend((log_time, self.size))
        length = _MESSAGE_FIELDS + len(data)
        head = (Opcode.MESSAGE, length, channel, sequence & 0xFFFFFFFF, log_time, publish_time)
        self._parts += (_MESSAGE.pack(*head), data)
        self.size += _MESSAGE.size + len(data)
        self._first_time = min(self._first_time, log_time)
        self._last_time = max(self._last_time, log_time)

    def build(self) -> BuiltChunk:
        """The chunk with everything that was added."""
        content = b"".join(self._parts)
        record = Chunk(
            compression="zstd" if self._compress else "",
            data=_ZSTD.compress(content) if self._compress else content,
            message_start_time=self._first_time if self._index else 0,
            message_end_time=self._last_time,
            uncompressed_crc=zlib.crc32(content),
            uncompressed_size=len(content),
        )
        indexes = {channel: _index_record(channel, index) for channel, index in self._index.items()}
        messages = {channel: len(index) // 2 for channel, index in self._index.items()}
        return BuiltChunk(record, encode_record(record), indexes, messages)

    def _append(self, data: bytes) -> None:
        self._parts.append(data)
        self.size += len(data)


def _index_record(channel: int, index: "array[int]") -> bytes:
    body = struct.pack(f"<{len(index)}Q", *index)
    return _INDEX.pack(Opcode.MESSAGE_INDEX, 6 + len(body), channel, len(body)) + body
