"""Builds chunks of MCAP files: messages that are written together and share one checksum."""

import struct
from collections.abc import Iterator
from typing import NamedTuple

import zstandard
from mcap.opcode import Opcode
from mcap.records import Channel, ChunkIndex, Schema
from zlib_ng.zlib_ng import crc32

from esper_bus.limits import CHUNK_BYTES
from esper_bus.mcap.record_format import CHUNK, HEAD, INDEX, MESSAGE, SIZE, encode_record

_OPCODE = int(Opcode.MESSAGE)
_HEAD_SIZE = MESSAGE.size
_FIELDS_SIZE = MESSAGE.size - HEAD.size

Message = tuple[int, int, int, bytes]
"""Sequence number (modulo 2^32 in the file), log_time and publish_time in nanoseconds since 1970, data."""


class BuiltChunk(NamedTuple):
    """A chunk ready to be appended, with its message indexes."""

    head: bytes
    content: bytes
    indexes: dict[int, bytes]
    messages: dict[int, int]
    first_time: int
    last_time: int
    compression: str
    uncompressed_size: int

    @property
    def parts(self) -> tuple[bytes, ...]:
        """The bytes to append to the file."""
        return self.head, self.content, b"".join(self.indexes.values())

    def index_record(self, offset: int) -> bytes:
        """The record in the file's summary for this chunk at `offset`."""
        length = len(self.head) + len(self.content)
        offsets, at = {}, offset + length
        for channel, index in self.indexes.items():
            offsets[channel] = at
            at += len(index)
        return encode_record(
            ChunkIndex(
                chunk_length=length,
                chunk_start_offset=offset,
                compression=self.compression,
                compressed_size=len(self.content),
                message_end_time=self.last_time,
                message_index_length=at - offset - length,
                message_index_offsets=offsets,
                message_start_time=self.first_time,
                uncompressed_size=self.uncompressed_size,
            )
        )


class ChunkBuilder:
    """Collects schemas, channels and messages; `size` is their size in bytes before compression.

    Without a `compressor` the chunk is not compressed.
    """

    def __init__(self, compressor: zstandard.ZstdCompressor | None) -> None:
        self.size = 0
        self._compressor = compressor
        self._parts: list[bytes] = []
        self._index: dict[int, list[int]] = {}

    def add(self, record: Schema | Channel) -> None:
        """Add the description of a schema or channel."""
        self.add_encoded(encode_record(record))

    def add_encoded(self, data: bytes) -> None:
        """As `add`, for an encoded description."""
        self._parts.append(data)
        self.size += len(data)

    def fill(self, channel: int, messages: Iterator[Message]) -> bool:
        """Add messages until there are no more or the chunk is full; returns whether it is full."""
        index = self._index.setdefault(channel, [])
        parts, size, pack = self._parts, self.size, MESSAGE.pack
        for number, log_time, publish_time, data in messages:
            index += (log_time, size)
            length = len(data)
            head = pack(_OPCODE, _FIELDS_SIZE + length, channel, number & 0xFFFFFFFF, log_time, publish_time)
            parts += (head, data)
            size += _HEAD_SIZE + length
            if size >= CHUNK_BYTES:
                break
        self.size = size
        return size >= CHUNK_BYTES

    def build(self) -> BuiltChunk:
        """Build the chunk."""
        content = b"".join(self._parts)
        compression = b"zstd" if self._compressor else b""
        data = self._compressor.compress(content) if self._compressor else content
        index = {channel: times for channel, times in self._index.items() if times}
        first_time = min((min(times[::2]) for times in index.values()), default=0)
        last_time = max((max(times[::2]) for times in index.values()), default=0)
        fixed = CHUNK.pack(first_time, last_time, len(content), crc32(content), len(compression))
        fields = fixed + compression + SIZE.pack(len(data))
        return BuiltChunk(
            head=HEAD.pack(Opcode.CHUNK, len(fields) + len(data)) + fields,
            content=data,
            indexes={channel: _index_record(channel, times) for channel, times in index.items()},
            messages={channel: len(times) // 2 for channel, times in index.items()},
            first_time=first_time,
            last_time=last_time,
            compression=compression.decode(),
            uncompressed_size=len(content),
        )


def _index_record(channel: int, index: list[int]) -> bytes:
    body = struct.pack(f"<{len(index)}Q", *index)
    head = HEAD.pack(Opcode.MESSAGE_INDEX, INDEX.size + len(body))
    return head + INDEX.pack(channel, len(body)) + body
