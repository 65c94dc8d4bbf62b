"""Reads a run that is still being written: the events that it has, then those that are added."""

import contextlib
import os
from collections.abc import Iterator, Mapping
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

from esper_bus.mcap.event_channels import EventChannels
from esper_bus.mcap.reader import CutShort, Damage, OnDamage, ignore_damage, read_chunks, reported
from esper_bus.paths import RunPaths
from esper_bus.records import RawRecord, StreamKey
from esper_bus.store.log_position import LogPosition
from esper_bus.store.merged_streams import MergedStreams
from esper_bus.store.run_files import RunFiles, log_files
from esper_bus.store.run_reader import readable_files


class Beginning(NamedTuple):
    """A place from which on a run is read: the next number of each stream, and where its files are read.

    `offsets` are those of chunks, `channels` what each file has opened before; other files are read from
    their beginning. The first `skipped` files of the log are not read.
    """

    next_seqs: Mapping[StreamKey, int]
    offsets: Mapping[Path, int]
    channels: Mapping[Path, EventChannels]
    skipped: int = 0

    @classmethod
    def after(cls, position: LogPosition, run_dir: Path, next_seqs: Mapping[StreamKey, int]) -> "Beginning":
        """The place after a position that `is_in` the log of a run directory."""
        name, size = position.files[-1]
        path = RunPaths(run_dir).log_dir / name
        return cls(next_seqs, {path: size}, {path: EventChannels(position.channels)}, len(position.files) - 1)


class GrowingFile:
    """A file that grows; each `read` continues where the last one ended. A torn end is read again later."""

    def __init__(self, path: Path, offset: int = 0, channels: EventChannels | None = None) -> None:
        self._path = path
        self._offset = offset
        self._size = -1
        self._inode: int | None = None
        self._channels = channels or EventChannels()

    def read(self, on_damage: OnDamage = ignore_damage) -> Iterator[RawRecord]:
        """The events added since the last call. Raises `OSError`."""
        status = self._path.stat()
        if self._is_other(status) or status.st_size == self._size:
            return
        self._size, self._inode = status.st_size, status.st_ino
        with self._path.open("rb") as file:
            for chunk in read_chunks(file, self._channels, self._offset, str(self._path), on_damage):
                self._offset = chunk.end
                yield from chunk.records

    def is_replaced(self) -> bool:
        """Whether the file that was read was removed, shortened, or replaced by another one."""
        try:
            return self._is_other(self._path.stat())
        except FileNotFoundError:
            return True

    def _is_other(self, status: os.stat_result) -> bool:
        return status.st_size < self._offset or status.st_ino != (self._inode or status.st_ino)


class GrowingRun:
    """The events of a run directory or an .mcap file, each once. Raises `InvalidArgument` if there are none.

    `beginning` leaves out what is before a place, and `log_only` what only spools have. Damage is reported
    where it is found; a write that is not finished is reported only by the first reading.
    """

    def __init__(
        self,
        path: Path,
        on_damage: OnDamage = ignore_damage,
        beginning: Beginning | None = None,
        *,
        log_only: bool = False,
    ) -> None:
        self._log_only = log_only
        self._path = path
        self._on_damage = on_damage
        self._beginning = beginning
        self._files: dict[Path, GrowingFile] = {}
        self._first_reading = True
        self._readable_files()  # raises `StorageError` where the path cannot be read
        self._listing = self._list()
        next_seqs = beginning.next_seqs if beginning else None
        self._merge = MergedStreams(self._readable_files(), on_damage, self._read_new, next_seqs)
        self._new = self._merge.records()

    @property
    def replaced(self) -> bool:
        """Whether a file of the log that was read is not there any more, or is another one."""
        spools = RunPaths(self._path).spool_dir  # its files are removed once the log has their events
        return any(file.is_replaced() for path, file in self._files.items() if path.parent != spools)

    def read(self, limit: int) -> list[RawRecord]:
        """The next events, at most `limit`; empty if there were no more when the files were last examined."""
        return list(islice(self._new, limit))

    def refresh(self) -> None:
        """Examine the files again. To be called after `read` has returned no more events."""
        self._first_reading = False
        listing = self._list()
        if listing != self._listing:
            self._listing = listing
            self._merge.add_files(self._readable_files())
        self._new = self._merge.records()

    def _list(self) -> set[Path]:
        paths = RunPaths(self._path)
        spools = () if self._log_only else paths.spool_dir.glob("*.mcap")
        return set(chain(paths.log_dir.glob("*.mcap"), spools))

    def _readable_files(self) -> RunFiles:
        files = log_files(self._path) if self._log_only else readable_files(self._path)
        if self._beginning is None:
            return files
        return files._replace(logs=files.logs[self._beginning.skipped :])

    def _read_new(self, path: Path, _: OnDamage) -> Iterator[RawRecord]:
        file = self._files.get(path)
        if file is None:
            file = self._files[path] = self._open(path)
        with reported(path, self._on_damage), contextlib.suppress(FileNotFoundError):
            yield from file.read(self._report)

    def _open(self, path: Path) -> GrowingFile:
        begin = self._beginning
        if begin is None or path not in begin.offsets:
            return GrowingFile(path)
        return GrowingFile(path, begin.offsets[path], begin.channels.get(path))

    def _report(self, damage: Damage) -> None:
        if self._first_reading or not isinstance(damage, CutShort):
            self._on_damage(damage)
