"""The binary layout of MCAP records, as far as our files use it: <https://mcap.dev/spec>."""

import struct
from collections.abc import Iterator

from mcap.data_stream import RecordBuilder
from mcap.records import McapRecord

HEAD = struct.Struct("<BQ")
"""Opcode and length of what follows, of every record."""
MESSAGE = struct.Struct("<BQHIQQ")
"""Head of a message: opcode, length, channel, sequence, log_time, publish_time. The data follows."""
CHUNK = struct.Struct("<QQQII")
"""Of a chunk, behind its head: first and last time, size, checksum, length of the compression's name."""
SIZE = struct.Struct("<Q")
"""Length of a chunk's content, behind the name of its compression."""
INDEX = struct.Struct("<HI")
"""Of a message index, behind its head: channel, length of what follows."""


def encode_record(record: McapRecord) -> bytes:
    """Encode one record, head and all."""
    builder = RecordBuilder()
    record.write(builder)
    return bytes(builder.end())  # type: ignore[no-untyped-call]


def split_records(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Opcode and body of each record in `data`. Raises `struct.error` where the last one is cut short."""
    at = 0
    while at < len(data):
        opcode, length = HEAD.unpack_from(data, at)
        begin, at = at + HEAD.size, at + HEAD.size + length
        yield opcode, data[begin:at]
