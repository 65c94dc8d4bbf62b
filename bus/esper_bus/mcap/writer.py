"""Writes MCAP files so that a kill at any moment leaves exactly what was flushed.

The format is <https://mcap.dev/spec>. The records are those of the `mcap` library; its `Writer` is
not used because it loses its buffer when a write fails, keeps Python objects for every chunk as long as
the file is open, and has no option for the compression level.
"""

import struct
from collections import Counter
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

import zstandard
from mcap.opcode import Opcode
from mcap.records import Channel, DataEnd, Footer, Header, Schema, Statistics
from mcap.writer import MCAP0_MAGIC
from zlib_ng.zlib_ng import crc32

from esper_bus.mcap.append_file import AppendFile
from esper_bus.mcap.chunk import BuiltChunk, ChunkBuilder, Message
from esper_bus.mcap.record_format import encode_record

PROFILE = "esper"
_LEVEL = 1
MAX_INDEXED_CHUNKS = 100_000
"""A file with more chunks has no index, so that a spool of weeks does not fill the memory."""

_REPEAT_BYTES = (1024, 1024 * 1024)
"""Bytes after which a channel is described again: at first, and at most; the interval doubles each time."""


class McapWriter:
    """A new MCAP file. Raises `OSError` if it cannot be created.

    A channel is described again in the next chunk with messages of it, and at intervals later: in a file
    without a summary, damage to one chunk must not make the others unreadable.
    """

    def __init__(self, path: Path, *, compress: bool) -> None:
        self._file = AppendFile(path)
        self._compressor = zstandard.ZstdCompressor(level=_LEVEL) if compress else None
        self._head = MCAP0_MAGIC + encode_record(Header(PROFILE, PROFILE))
        self._open = ChunkBuilder(self._compressor)
        self._built: list[BuiltChunk] = []
        self._descriptions: list[Schema | Channel] = []
        self._ids: Counter[type] = Counter()
        self._repeats: dict[int, _Repeat] = {}
        self._messages: Counter[int] = Counter()
        self._index = bytearray()
        self._chunks = 0
        self._first_time, self._last_time = (1 << 64) - 1, 0

    @property
    def path(self) -> Path:
        """The file."""
        return self._file.path

    @property
    def size(self) -> int:
        """Flushed bytes."""
        return self._file.size

    @property
    def channels(self) -> list[Channel]:
        """The channels that were opened."""
        return [record for record in self._descriptions if isinstance(record, Channel)]

    @property
    def channel_count(self) -> int:
        """How many channels were opened."""
        return self._ids[Channel]

    def schema(self, name: str, data: bytes) -> int:
        """Add a JSON Schema of messages; returns its number."""
        self._ids[Schema] += 1
        self._describe(Schema(self._ids[Schema], data, "jsonschema", name))
        return self._ids[Schema]

    def channel(self, topic: str, encoding: str, schema: int, metadata: dict[str, str]) -> int:
        """Open a channel for messages; returns its number."""
        self._ids[Channel] += 1
        channel = Channel(self._ids[Channel], topic, encoding, metadata, schema)
        self._repeats[channel.id] = _Repeat(encode_record(channel), self.size + 1)
        self._describe(channel)
        return self._ids[Channel]

    def message(self, channel: int, sequence: int, log_time: int, publish_time: int, data: bytes) -> None:
        """Add a message; it is in the file once `flush` has returned."""
        self.messages(channel, [(sequence, log_time, publish_time, data)])

    def messages(self, channel: int, messages: Iterable[Message]) -> None:
        """Add messages of one channel."""
        if self.size >= self._repeats[channel].due_at:
            self._open.add_encoded(self._repeats[channel].taken(self.size))
        rest = iter(messages)
        while self._open.fill(channel, rest):
            self._end_chunk()

    def flush(self) -> None:
        """Write the added messages. Raises `OSError`; none is lost then, and it may be called again."""
        self._end_chunk()
        if not self._built:
            return
        head = b"" if self.size else self._head
        offset = self.size + len(head)
        parts = [chunk.parts for chunk in self._built]
        self._file.append(head, *chain.from_iterable(parts))
        for chunk, written in zip(self._built, parts, strict=True):
            self._count(chunk, offset)
            offset += sum(len(part) for part in written)
        self._built.clear()

    def rollback(self) -> None:
        """Discard the messages that were added since the last flush."""
        self._open = ChunkBuilder(self._compressor)
        self._built.clear()

    def sync(self) -> None:
        """Sync the file to the disk. Raises `OSError`."""
        self._file.sync()

    def check(self) -> None:
        """Raise `FileDeletedError` if the file was deleted, as `flush`, `sync` and `close` do."""
        self._file.check()

    def close(self) -> None:
        """Flush, write the index, and close the file. Raises `OSError` if it has no index then."""
        try:
            self.flush()
            self._file.append(self._ending())
            self._file.sync()
        finally:
            self._file.close()

    def abandon(self) -> None:
        """Close the file as it is, without its index."""
        self._file.close()

    def remove(self) -> None:
        """Close the file and remove it."""
        self._file.remove()

    def _describe(self, record: Schema | Channel) -> None:
        self._descriptions.append(record)
        self._open.add(record)

    def _end_chunk(self) -> None:
        if self._open.size:
            self._built.append(self._open.build())
            self._open = ChunkBuilder(self._compressor)

    def _count(self, chunk: BuiltChunk, offset: int) -> None:
        self._chunks += 1
        self._messages.update(chunk.messages)
        if chunk.messages:
            self._first_time = min(self._first_time, chunk.first_time)
            self._last_time = max(self._last_time, chunk.last_time)
        if self._chunks <= MAX_INDEXED_CHUNKS:
            self._index += chunk.index_record(offset)

    def _ending(self) -> bytes:
        data_end = encode_record(DataEnd(0))
        summary = self._summary()
        place = (self.size + len(data_end), 0)
        crc = crc32(summary + struct.pack("<BQQQ", Opcode.FOOTER, 20, *place))
        return data_end + summary + encode_record(Footer(*place, crc)) + MCAP0_MAGIC

    def _summary(self) -> bytes:
        parts = [encode_record(record) for record in self._descriptions]
        parts.append(encode_record(self._statistics()))
        if self._chunks <= MAX_INDEXED_CHUNKS:
            parts.append(bytes(self._index))
        return b"".join(parts)

    def _statistics(self) -> Statistics:
        return Statistics(
            attachment_count=0,
            channel_count=self._ids[Channel],
            channel_message_counts=dict(self._messages),
            chunk_count=self._chunks,
            message_count=self._messages.total(),
            message_end_time=self._last_time,
            message_start_time=self._first_time if self._messages else 0,
            metadata_count=0,
            schema_count=self._ids[Schema],
        )


class _Repeat:
    """The encoded description of a channel, and the file size from which on to write it again."""

    def __init__(self, record: bytes, due_at: int) -> None:
        self.due_at = due_at
        self._record = record
        self._step = _REPEAT_BYTES[0]

    def taken(self, size: int) -> bytes:
        """The description, which is written now."""
        self.due_at = size + self._step
        self._step = min(2 * self._step, _REPEAT_BYTES[1])
        return self._record
