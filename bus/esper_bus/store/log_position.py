"""A position in a run's log from which on it can be read, without what is before it."""

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
"""A file and how many of its bytes count."""


class LogPosition(msgspec.Struct, frozen=True):
    """Where a log ended after a flush; the last of its files may have grown since.

    `files` are the names and sizes of its files in their order, `checksum` is that of the last bytes before
    the position, `channels` are those that were opened in the last file.
    """

    files: tuple[tuple[str, int], ...]
    checksum: int
    channels: tuple[Channel, ...] = ()

    @classmethod
    def after(cls, files: Sequence[SizedFile], channels: Sequence[Channel] = ()) -> "LogPosition":
        """The position after the files of a log, of which there is at least one. Raises `OSError`."""
        names = tuple((path.name, size) for path, size in files)
        return cls(names, _checksum(*files[-1]), tuple(channels))

    def is_in(self, logs: Sequence[Path]) -> bool:
        """Whether the files of a log are the same ones up to this position."""
        *finished, last = logs[: len(self.files)] or [Path()]
        try:
            files = [*with_sizes(finished), (last, self.files[-1][1])]
            return self == LogPosition.after(files, self.channels)
        except OSError:
            return False


def with_sizes(paths: Sequence[Path]) -> list[SizedFile]:
    """Finished files, all of whose bytes count. Raises `OSError`."""
    return [(path, path.stat().st_size) for path in paths]


def read_after(
    position: LogPosition,
    files: RunFiles,
    next_seqs: Mapping[StreamKey, int],
    on_damage: OnDamage = ignore_damage,
) -> Iterator[RawRecord]:
    """The events of a run after a position that `is_in` its log, as if it was read from the beginning.

    `next_seqs` gives, for each stream, the number of its first event after the position.
    """
    first = files.logs[len(position.files) - 1]

    def read(path: Path, on_damage: OnDamage) -> Iterator[RawRecord]:
        if path != first:
            return read_file(path, on_damage)
        return read_file(path, on_damage, position.files[-1][1], EventChannels(position.channels))

    rest = files._replace(logs=files.logs[len(position.files) - 1 :])
    return MergedStreams(rest, on_damage, read, next_seqs).records()


def _checksum(path: Path, end: int) -> int:
    begin = max(0, end - _CHECKED_BYTES)
    with path.open("rb") as file:
        return zlib.crc32(os.pread(file.fileno(), end - begin, begin))
