"""The files of an index: a head, then frames, of which the last may be torn by a kill."""

import os
import struct
from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple
from zlib import crc32

import msgspec

from esper_aggregator.series.collected_rows import Process
from esper_aggregator.series.segment_table import SegmentTable
from esper_bus.store.log_position import LogPosition

_HEAD = struct.Struct("<BIQI")
_MAGIC = b"esper series 1\n"
_MAX_META_BYTES = 16 * 1024 * 1024


class FrameKind(IntEnum):
    """What the body of a frame is."""

    CHUNK = 1
    SEGMENT = 2


class Coverage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How far an index reaches, and what is known about the run by then.

    `records` is the number of records of the log whose rows are all in the index. `place` is the end of the
    log that these records are of, None where it is not known.
    """

    records: int = 0
    place: LogPosition | None = None
    processes: tuple[Process, ...] = ()
    over_ranks: dict[str, str] = {}


class FrameMeta(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The rows of a frame: the number of the first one, and how many there are.

    `coverage` is that of the index with this frame as its last one, `checksum` that of a chunk's body, and
    `table` that of a segment.
    """

    first: int
    rows: int
    coverage: Coverage
    checksum: int = 0
    table: SegmentTable | None = None


class Frame(NamedTuple):
    """A frame of a file, and where it and its body are."""

    kind: FrameKind
    meta: FrameMeta
    begin: int
    body: int
    end: int


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(FrameMeta)


def file_head(fingerprint: int) -> bytes:
    """Return what a file of this version begins with."""
    return _MAGIC + struct.pack("<I", fingerprint)


def encode_frame(kind: FrameKind, meta: FrameMeta, body: bytes) -> bytes:
    """Encode a frame."""
    encoded = _encoder.encode(meta)
    fields = (kind.value, len(encoded), len(body))
    return _HEAD.pack(*fields, _checksum(fields, encoded)) + encoded + body


def read_frames(fd: int, fingerprint: int) -> Iterator[Frame]:
    """Yield the whole frames of a file; none of a file of another version. Raises `OSError`."""
    head, size = file_head(fingerprint), os.fstat(fd).st_size
    if os.pread(fd, len(head), 0) != head:
        return
    begin = len(head)
    while frame := _read_frame(fd, begin, size):
        yield frame
        begin = frame.end


def _read_frame(fd: int, begin: int, size: int) -> Frame | None:
    """Return the frame at an offset; None if there is no whole one."""
    raw = os.pread(fd, _HEAD.size, begin)
    if len(raw) < _HEAD.size:
        return None
    *fields, checksum = _HEAD.unpack(raw)
    kind, meta_size, body_size = fields
    body = begin + _HEAD.size + meta_size
    if meta_size > _MAX_META_BYTES or body + body_size > size:
        return None
    encoded = os.pread(fd, meta_size, begin + _HEAD.size)
    if _checksum((kind, meta_size, body_size), encoded) != checksum:
        return None
    try:
        return Frame(FrameKind(kind), _decoder.decode(encoded), begin, body, body + body_size)
    except (ValueError, msgspec.MsgspecError):
        return None


def _checksum(fields: tuple[int, int, int], meta: bytes) -> int:
    return crc32(meta, crc32(repr(fields).encode()))
