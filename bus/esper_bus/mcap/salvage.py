"""Reads what is intact in a damaged MCAP file, also behind the damage.

For checking and repairing only: everything else reads up to the first damage, so that all readers agree
about the position of an event.
"""

import io
import mmap
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from mcap.opcode import Opcode

from esper_bus.limits import MAX_RECORD_BYTES
from esper_bus.mcap.event_channels import EventChannels
from esper_bus.mcap.reader import Damage, OnDamage, chunk_contents, is_chunk, read_chunks, reported
from esper_bus.mcap.record_format import CHUNK, HEAD, SIZE
from esper_bus.records import RawRecord

_FOOTER = struct.Struct("<BQQQI8s")


def salvage_file(path: Path, on_damage: OnDamage) -> Iterator[RawRecord]:
    """The records of all intact chunks of a file; every damaged place is reported."""
    with reported(path, on_damage), path.open("rb") as file:
        channels = EventChannels()
        channels.add_described(_summary(file))
        unfinished = not channels
        offset: int | None = 0
        while offset is not None:
            found: list[Damage] = []
            for chunk in read_chunks(file, channels, offset, str(path), found.append):
                yield from chunk.records
            offset = None
            for damage in found:
                on_damage(damage)
                offset = _next_chunk(file, damage.offset + 1)
            if unfinished and offset is not None:
                _add_channels_behind(file, offset, channels)
                unfinished = False


def _add_channels_behind(file: BinaryIO, start: int, channels: EventChannels) -> None:
    """Add the channels that intact chunks from `start` on describe: earlier descriptions may be damaged."""
    offset: int | None = start
    while offset is not None:
        found: list[Damage] = []
        for _, content in chunk_contents(file, offset, "", found.append):
            channels.add_described(content)
        offset = next((_next_chunk(file, damage.offset + 1) for damage in found), None)


def _next_chunk(file: BinaryIO, start: int) -> int | None:
    """The offset of the next intact chunk."""
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
    """The offset where the chunk at `at` would end, if its lengths agree with each other."""
    fixed = at + HEAD.size
    if fixed + CHUNK.size > len(data):
        return None
    _, length = HEAD.unpack_from(data, at)
    *_, name = CHUNK.unpack_from(data, fixed)
    content = fixed + CHUNK.size + name + SIZE.size
    if length > MAX_RECORD_BYTES or fixed + length > len(data) or content > fixed + length:
        return None
    (size,) = SIZE.unpack_from(data, content - SIZE.size)
    return fixed + length if content + size == fixed + length else None


def _summary(file: BinaryIO) -> bytes:
    """The records at the end of a finished file, which repeat its channels; empty if there are none."""
    try:
        size = file.seek(0, io.SEEK_END)
        file.seek(size - _FOOTER.size)
        _, _, start, _, _, _ = _FOOTER.unpack(file.read(_FOOTER.size))
        file.seek(start)
        return file.read(size - _FOOTER.size - start)
    except Exception:  # an unfinished file ends with arbitrary bytes
        return b""
