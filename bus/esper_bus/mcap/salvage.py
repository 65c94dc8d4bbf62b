"""Reads what is intact in a damaged MCAP file, also behind the damage.

For checking and repairing only: everything else reads the clean beginning, so that all agree about the
position of an event.
"""

import io
import mmap
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from mcap.data_stream import ReadDataStream
from mcap.opcode import Opcode
from mcap.records import Channel

from esper_bus.limits import MAX_RECORD_BYTES
from esper_bus.mcap.reader import (
    Damage,
    FileMessage,
    OnDamage,
    add_channels,
    chunk_contents,
    is_chunk,
    read_open_file,
)

_HEAD = struct.Struct("<BQ")
_FIXED = struct.Struct("<QQQII")  # of a chunk: times, size, checksum, length of the compression's name
_FOOTER = struct.Struct("<BQQQI8s")


def salvage_messages(path: Path, on_damage: OnDamage) -> Iterator[FileMessage]:
    """The messages of all intact chunks; every damaged place is reported.

    Raises `OSError` if the file cannot be opened, nothing for its content.
    """
    with path.open("rb") as file:
        channels = _channels_of_summary(file)
        unfinished = not channels
        offset: int | None = 0
        while offset is not None:
            found: list[Damage] = []
            yield from read_open_file(file, str(path), found.append, offset, channels)
            offset = None
            for damage in found:
                on_damage(damage)
                offset = _next_chunk(file, damage.offset + 1)
            if unfinished and offset is not None:
                channels |= _channels_behind(file, offset)
                unfinished = False


def _channels_behind(file: BinaryIO, start: int) -> dict[int, Channel]:
    """The channels that the intact chunks from `start` on describe; what did so before may be damaged."""
    channels: dict[int, Channel] = {}
    offset: int | None = start
    while offset is not None:
        found: list[Damage] = []
        for _, content in chunk_contents(file, "", found.append, offset):
            add_channels(content, channels)
        offset = next((_next_chunk(file, damage.offset + 1) for damage in found), None)
    return channels


def _next_chunk(file: BinaryIO, start: int) -> int | None:
    """Where the next intact chunk begins."""
    if file.seek(0, io.SEEK_END) == 0:
        return None
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        at = data.find(bytes([Opcode.CHUNK]), start)
        while at >= 0:
            end = _possible_end(data, at)
            if end is not None and is_chunk(data[at:end]):
                return at
            at = data.find(bytes([Opcode.CHUNK]), at + 1)
    return None


def _possible_end(data: mmap.mmap, at: int) -> int | None:
    """Where the chunk at `at` would end, if its lengths agree with each other."""
    fixed = at + _HEAD.size
    if fixed + _FIXED.size > len(data):
        return None
    _, length = _HEAD.unpack_from(data, at)
    *_, name = _FIXED.unpack_from(data, fixed)
    content = fixed + _FIXED.size + name
    if length > MAX_RECORD_BYTES or fixed + length > len(data) or content + 8 > fixed + length:
        return None
    (size,) = struct.unpack_from("<Q", data, content)
    return fixed + length if content + 8 + size == fixed + length else None


def _channels_of_summary(file: BinaryIO) -> dict[int, Channel]:
    """The channels that the end of a finished file repeats; their first chunk may be lost."""
    channels: dict[int, Channel] = {}
    try:
        size = file.seek(0, io.SEEK_END)
        file.seek(size - _FOOTER.size)
        _, _, start, _, _, _ = _FOOTER.unpack(file.read(_FOOTER.size))
        file.seek(start)
        stream = ReadDataStream(io.BytesIO(file.read(size - _FOOTER.size - start)))
        while True:
            opcode, length = _HEAD.unpack(stream.read(_HEAD.size))
            body = stream.read(length)
            if opcode == Opcode.CHANNEL:
                channel = Channel.read(ReadDataStream(io.BytesIO(body)))
                channels[channel.id] = channel
    except Exception:  # an unfinished file, or the end of the summary
        return channels
