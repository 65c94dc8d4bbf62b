"""Reads our MCAP files: the records up to the end or the first damage, and what is damaged.

Stricter than the format, so that no flipped bit passes unseen: every chunk needs its checksum, and a
record that the writer does not write is damage.
"""

import contextlib
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec
import zstandard
from mcap.data_stream import ReadDataStream
from mcap.opcode import Opcode
from mcap.records import Header
from mcap.writer import MCAP0_MAGIC
from zlib_ng.zlib_ng import crc32

from esper_bus.limits import MAX_RECORD_BYTES
from esper_bus.mcap.event_channels import EventChannels, NotAnEventChannelError
from esper_bus.mcap.record_format import CHUNK, HEAD, INDEX, SIZE
from esper_bus.records import RawRecord

_DATA_END_LENGTH = 4


class Damage(msgspec.Struct, frozen=True):
    """An offset in a file from which on it cannot be read, and the reason."""

    file: str
    offset: int
    what: str


class Unreadable(Damage, frozen=True):
    """A file that the system does not let us read: nothing is known about its content."""


class CutShort(Damage, frozen=True):
    """A last write that did not finish. What it would have added was never acknowledged."""


OnDamage = Callable[[Damage], None]


class Chunk(NamedTuple):
    """The records of a chunk, and the offsets in the file where it begins and ends."""

    begin: int
    end: int
    records: list[RawRecord]


class _DamagedError(Exception):
    """The record that is being read is damaged."""


class _CutShortError(_DamagedError):
    """The file ends within a record."""

    def __init__(self) -> None:
        super().__init__("the last write was cut short")


class _EndError(Exception):
    """The end of the file was reached."""


def ignore_damage(damage: Damage) -> None:
    """Ignore damage, where only intact records are of interest."""


def read_file(
    path: Path,
    on_damage: OnDamage = ignore_damage,
    offset: int = 0,
    channels: EventChannels | None = None,
) -> Iterator[RawRecord]:
    """The records of a file up to its end or the first damage; a file that cannot be opened is damage.

    Without `offset` from its beginning, otherwise from the chunk there, with the channels opened before.
    """
    with reported(path, on_damage), path.open("rb") as file:
        for chunk in read_chunks(file, channels or EventChannels(), offset, str(path), on_damage):
            yield from chunk.records


@contextlib.contextmanager
def reported(path: Path, on_damage: OnDamage) -> Iterator[None]:
    """Report a file that cannot be read as damage."""
    try:
        yield
    except OSError as error:
        on_damage(Unreadable(str(path), 0, f"unreadable ({error.strerror})"))


def read_chunks(
    file: BinaryIO,
    channels: EventChannels,
    offset: int = 0,
    name: str = "",
    on_damage: OnDamage = ignore_damage,
) -> Iterator[Chunk]:
    """The chunks of a file from `offset` on, up to the end or the first damage, which is reported.

    A file that is being written ends cleanly. Channels that are met are added to `channels`. `name` is the
    file's name in reports. Raises `OSError`.
    """
    for begin, content in chunk_contents(file, offset, name, on_damage):
        try:
            chunk = Chunk(begin, file.tell(), channels.decode(content))
        except Exception as error:  # arbitrary bytes can raise anything in a parser
            on_damage(Damage(name, begin, _undecodable(error)))
            return
        yield chunk


def _undecodable(error: Exception) -> str:
    if isinstance(error, KeyError):
        return "a chunk of a stream that is described only in damaged places"
    if isinstance(error, NotAnEventChannelError):
        return str(error)
    return f"a chunk that makes no sense ({error!r})"


def is_chunk(record: bytes) -> bool:
    """Whether bytes are one intact chunk, head and all."""
    try:
        opcode, length = HEAD.unpack_from(record)
        whole = opcode == Opcode.CHUNK and length == len(record) - HEAD.size
        return whole and _chunk_content(record[HEAD.size :]) is not None
    except Exception:  # arbitrary bytes can raise anything in a parser
        return False


def chunk_contents(
    file: BinaryIO, offset: int, name: str, on_damage: OnDamage
) -> Iterator[tuple[int, bytes]]:
    """Offset and content of each chunk, up to the end or the first damage, which is reported.

    Raises `OSError`.
    """
    try:
        file.seek(offset)
        if offset == 0:
            _read_magic(file)
        while True:
            offset = file.tell()
            content = _read_grown_record(file, offset)
            if content is not None:
                yield offset, content
    except _EndError:
        return
    except OSError:
        raise
    except _CutShortError as error:
        on_damage(CutShort(name, offset, str(error)))
    except Exception as error:  # arbitrary bytes can raise anything in a parser
        what = str(error) if isinstance(error, _DamagedError) else f"unreadable ({error!r})"
        on_damage(Damage(name, offset, what))


def _read_magic(file: BinaryIO) -> None:
    magic = file.read(len(MCAP0_MAGIC))
    if not magic:
        raise _EndError
    if magic != MCAP0_MAGIC:
        raise _DamagedError("not an MCAP file")


def _read_grown_record(file: BinaryIO, offset: int) -> bytes | None:
    """The next record; a write that was under way is read again once it is finished."""
    while True:
        try:
            return _read_record(file)
        except _CutShortError:
            seen = file.tell()
            if file.seek(0, io.SEEK_END) == seen:
                raise
            file.seek(offset)


def _read_record(file: BinaryIO) -> bytes | None:
    """The content of the next record if it is a chunk, None for a record without events."""
    head = file.read(HEAD.size)
    if not head:
        raise _EndError
    if len(head) < HEAD.size:
        raise _CutShortError
    opcode, length = HEAD.unpack(head)
    if length > MAX_RECORD_BYTES:
        raise _DamagedError(f"a record of impossible length {length}")
    body = file.read(length)
    if len(body) < length:
        raise _CutShortError
    if opcode == Opcode.CHUNK:
        return _chunk_content(body)
    if opcode == Opcode.DATA_END and length == _DATA_END_LENGTH:
        raise _EndError
    if not (_is_header(opcode, body) or _is_index(opcode, body)):
        raise _DamagedError(f"an unexpected record {opcode:#x}")
    return None


def _is_header(opcode: int, body: bytes) -> bool:
    stream = ReadDataStream(io.BytesIO(body))
    return opcode == Opcode.HEADER and bool(Header.read(stream)) and stream.count == len(body)


def _is_index(opcode: int, body: bytes) -> bool:
    """Whether it is a message index: a chunk whose opcode was changed to that of one must not pass."""
    if opcode != Opcode.MESSAGE_INDEX or len(body) < INDEX.size:
        return False
    return bool(INDEX.unpack_from(body)[1] == len(body) - INDEX.size)


def _chunk_content(body: bytes) -> bytes:
    *_, crc, named = CHUNK.unpack_from(body)
    at = CHUNK.size + named
    compression = body[CHUNK.size : at]
    (size,) = SIZE.unpack_from(body, at)
    data = memoryview(body)[at + SIZE.size :]
    if len(data) != size:  # a wrong length would swallow the records behind it
        raise _DamagedError("a chunk with a wrong length")
    content = _decompressed(compression, data)
    if crc32(content) != crc:
        raise _DamagedError("a chunk with a wrong checksum")
    return content


def _decompressed(compression: bytes, data: memoryview) -> bytes:
    if compression == b"":
        return bytes(data)
    if compression != b"zstd":
        raise _DamagedError(f"an unknown compression {compression.decode(errors='replace')!r}")
    size = zstandard.frame_content_size(data)
    if not 0 <= size <= MAX_RECORD_BYTES:
        raise _DamagedError(f"a chunk of impossible size {size}")
    return zstandard.decompress(data)
