"""Reads MCAP files of this project: the clean beginning, and where it ends and why.

Stricter than the format, so that no flipped bit passes unseen: every chunk needs its checksum, and a
record that the writer does not write is damage.
"""

import contextlib
import io
import struct
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

import msgspec
import zstandard
from mcap.data_stream import ReadDataStream
from mcap.opcode import Opcode
from mcap.records import Channel, Header
from mcap.writer import MCAP0_MAGIC
from zlib_ng.zlib_ng import crc32

from esper_bus.limits import MAX_RECORD_BYTES

_HEAD = struct.Struct("<BQ")  # opcode, length
_MESSAGE = struct.Struct("<BQHIQQ")  # opcode, length, channel, sequence, log_time, publish_time
_OPCODE = int(Opcode.MESSAGE)
_CHUNK = struct.Struct("<QQQII")  # first and last time, size, checksum, length of the compression's name
_SIZE = struct.Struct("<Q")
_DATA_END_LENGTH = 4
_INDEX = struct.Struct("<HI")  # channel, bytes that follow


class Damage(msgspec.Struct, frozen=True):
    """A place in a file from which on it cannot be read, and what is wrong there."""

    file: str
    offset: int
    what: str


OnDamage = Callable[[Damage], None]


class FileMessage(NamedTuple):
    """One message of a file; times are nanoseconds since 1970."""

    channel: Channel
    sequence: int
    log_time: int
    publish_time: int
    data: bytes


# Python's own way to make a named tuple runs a line of Python for each.
_file_message = cast(
    "Callable[[tuple[Channel, int, int, int, bytes]], FileMessage]", partial(tuple.__new__, FileMessage)
)


class _DamagedError(Exception):
    """What is wrong with the record that is being read."""


class _CutShortError(_DamagedError):
    """The file ends within a record."""

    def __init__(self) -> None:
        super().__init__("the last write was cut short")


class _EndError(Exception):
    """There is nothing more to read."""


def ignore_damage(damage: Damage) -> None:
    """For readers that only want what is intact."""


def read_messages(
    path: Path,
    on_damage: OnDamage = ignore_damage,
    offset: int = 0,
    channels: dict[int, Channel] | None = None,
) -> Iterator[FileMessage]:
    """The messages before the first damage; a file that is still being written ends cleanly.

    Raises `OSError` if the file cannot be opened, nothing for its content.
    """
    with path.open("rb") as file:
        yield from read_open_file(file, str(path), on_damage, offset, channels)


def read_open_file(
    file: BinaryIO,
    name: str,
    on_damage: OnDamage = ignore_damage,
    offset: int = 0,
    channels: dict[int, Channel] | None = None,
) -> Iterator[FileMessage]:
    """As `read_messages`, from an open file: its beginning, or a chunk at `offset` with known channels."""
    channels = {} if channels is None else channels
    for begin, content in chunk_contents(file, name, on_damage, offset):
        try:
            messages = list(_parse_chunk(content, channels))
        except KeyError:
            on_damage(Damage(name, begin, "a chunk of a stream that is described only in damaged places"))
            return
        except Exception as error:  # whatever bytes can do to a parser
            on_damage(Damage(name, begin, f"a chunk that makes no sense ({error!r})"))
            return
        yield from messages


def is_chunk(record: bytes) -> bool:
    """Whether bytes are one intact chunk, head and all."""
    try:
        opcode, length = _HEAD.unpack_from(record)
        whole = opcode == Opcode.CHUNK and length == len(record) - _HEAD.size
        return whole and _chunk_content(record[_HEAD.size :]) is not None
    except Exception:  # whatever bytes can do to a parser
        return False


def messages_from(file: BinaryIO, offset: int, channels: dict[int, Channel]) -> Iterator[FileMessage]:
    """The messages from the chunk on that begins at `offset`, before the end or the first damage."""
    for _, messages in chunks_from(file, offset, channels):
        yield from messages


def chunks_from(
    file: BinaryIO, offset: int, channels: dict[int, Channel]
) -> Iterator[tuple[int, list[FileMessage]]]:
    """Where each chunk begins and what it holds, from the chunk or file beginning at `offset` on.

    Ends at the end or the first damage. The channels that are met are added to `channels`.
    """
    file.seek(offset)
    with contextlib.suppress(Exception):  # the end, or whatever bytes can do to a parser
        if offset == 0:
            _read_magic(file)
        while True:
            begin = file.tell()
            content = _read_record(file)
            if content is not None:
                yield begin, list(_parse_chunk(content, channels))


def chunk_contents(
    file: BinaryIO, name: str, on_damage: OnDamage, offset: int
) -> Iterator[tuple[int, bytes]]:
    """Where each chunk begins and its bytes, before the end or the first damage, which is reported."""
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
    except GeneratorExit:
        raise
    except Exception as error:  # whatever bytes can do to a parser
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
    head = file.read(_HEAD.size)
    if not head:
        raise _EndError
    if len(head) < _HEAD.size:
        raise _CutShortError
    opcode, length = _HEAD.unpack(head)
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
    """A chunk whose kind was changed to that of an index must not pass as one."""
    if opcode != Opcode.MESSAGE_INDEX or len(body) < _INDEX.size:
        return False
    return bool(_INDEX.unpack_from(body)[1] == len(body) - _INDEX.size)


def _chunk_content(body: bytes) -> bytes:
    *_, crc, named = _CHUNK.unpack_from(body)
    at = _CHUNK.size + named
    compression = body[_CHUNK.size : at]
    (size,) = _SIZE.unpack_from(body, at)
    data = memoryview(body)[at + _SIZE.size :]
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


def _parse_chunk(content: bytes, channels: dict[int, Channel]) -> Iterator[FileMessage]:
    at, size, unpack, head = 0, len(content), _MESSAGE.unpack_from, _MESSAGE.size
    while at < size:
        opcode, length = _HEAD.unpack_from(content, at)
        end = at + _HEAD.size + length
        if end > size:
            raise _DamagedError("a message cut short")
        if opcode == _OPCODE:
            _, _, number, sequence, log_time, publish_time = unpack(content, at)
            data = content[at + head : end]
            yield _file_message((channels[number], sequence, log_time, publish_time, data))
        elif opcode == Opcode.CHANNEL:
            _add_channel(content[at + _HEAD.size : end], channels)
        at = end


def add_channels(content: bytes, channels: dict[int, Channel]) -> None:
    """Add the channels that a chunk describes."""
    at = 0
    with contextlib.suppress(Exception):  # whatever bytes can do to a parser
        while at < len(content):
            opcode, length = _HEAD.unpack_from(content, at)
            begin, at = at + _HEAD.size, at + _HEAD.size + length
            if opcode == Opcode.CHANNEL:
                _add_channel(content[begin:at], channels)


def _add_channel(body: bytes, channels: dict[int, Channel]) -> None:
    channel = Channel.read(ReadDataStream(io.BytesIO(body)))
    channels[channel.id] = channel
