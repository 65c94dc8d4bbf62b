"""A place in a run's log, from which on it can be read without what is before it."""

import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec
from mcap.records import Channel

from esper_bus.mcap.event_channels import EventChannels
from esper_bus.mcap.reader import OnDamage, ignore_damage, read_file
from esper_bus.records import RawRecord, StreamKey
from esper_bus.store.merged_streams import MergedStreams
from esper_bus.store.run_files import RunFiles

_CHECKED_BYTES = 64 * 1024

SizedFile = tuple[Path, int]
"""A file, and how many of its bytes are meant."""


class LogPosition(msgspec.Struct, frozen=True):
    """Where a log ended after a flush; the last of its files may have grown since.

    `files` are the names and sizes of its files in their order, `checksum` is of the last bytes before the
    place, `channels` are those that the last file had opened.
    """

    files: tuple[tuple[str, int], ...]
    checksum: int
    channels: tuple[Channel, ...] = ()


def sized(paths: Sequence[Path]) -> list[SizedFile]:
    """Files that are finished, whole. Raises `OSError`."""
    return [(path, path.stat().st_size) for path in paths]


def place_behind(files: Sequence[SizedFile], channels: Sequence[Channel] = ()) -> LogPosition:
    """The place behind files of a log, of which there is at least one. Raises `OSError`.

    `channels` are those that the last one opened.
    """
    return LogPosition(
        files=tuple((path.name, size) for path, size in files),
        checksum=_checksum(*files[-1]),
        channels=tuple(channels),
    )


def is_in(place: LogPosition, logs: Sequence[Path]) -> bool:
    """Whether the files of a log are, up to the place, those that it was taken from."""
    *finished, last = logs[: len(place.files)] or [Path()]
    try:
        files = [*sized(finished), (last, place.files[-1][1])]
        return place == place_behind(files, place.channels)
    except OSError:
        return False


def read_behind(
    place: LogPosition,
    files: RunFiles,
    next_seqs: Mapping[StreamKey, int],
    on_damage: OnDamage = ignore_damage,
) -> Iterator[RawRecord]:
    """The events of a run behind a place that `is_in` its log, as if read from the beginning.

    `next_seqs` gives, for each stream, the number of its first event that is not before the place.
    """
    first = files.logs[len(place.files) - 1]

    def read(path: Path, on_damage: OnDamage) -> Iterator[RawRecord]:
        if path != first:
            return read_file(path, on_damage)
        return read_file(path, on_damage, place.files[-1][1], EventChannels(place.channels))

    rest = files._replace(logs=files.logs[len(place.files) - 1 :])
    return MergedStreams(rest, on_damage, read, next_seqs).records()


def _checksum(path: Path, end: int) -> int:
    begin = max(0, end - _CHECKED_BYTES)
    with path.open("rb") as file:
        return zlib.crc32(os.pread(file.fileno(), end - begin, begin))
