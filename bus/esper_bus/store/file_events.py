"""Follows files that are still being written: yields their events, then those that are added."""

import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from esper_bus.mcap.event_channels import EventChannels
from esper_bus.mcap.reader import OnDamage, ignore_damage, read_chunks
from esper_bus.paths import RunPaths
from esper_bus.records import RawRecord
from esper_bus.store.merged_streams import MergedStreams
from esper_bus.store.run_reader import readable_files

POLL_S = 0.02
"""Interval between polls of files that had no new events."""
_READ_EVENTS = 256


class GrowingFile:
    """A file that grows; each `read` continues where the last one ended. A torn end is read again later."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._size = -1
        self._channels = EventChannels()

    def read(self) -> Iterator[RawRecord]:
        """The events added since the last call. Raises `OSError`."""
        size = self._path.stat().st_size
        if size == self._size:
            return
        self._size = size
        with self._path.open("rb") as file:
            for chunk in read_chunks(file, self._channels, self._offset):
                self._offset = chunk.end
                yield from chunk.records


class FileEvents:
    """The events of a run directory or an .mcap file, each once, without the first `start`.

    `position` counts the events that were returned or left out. Raises `InvalidArgument` if there is nothing
    to read.
    """

    def __init__(self, path: Path, start: int) -> None:
        self.position = 0
        self._path = path
        self._start = start
        self._files: dict[Path, GrowingFile] = {}
        self._listing: list[Path] = []
        self._merge = MergedStreams(readable_files(path), ignore_damage, self._read_new)
        self._new = self._merge.records()

    def read(self, timeout_s: float) -> list[RawRecord]:
        """The next events; waits for new ones, empty after `timeout_s` seconds."""
        deadline = time.monotonic() + timeout_s
        while not (records := self._next()):
            if time.monotonic() >= deadline:
                return []
            time.sleep(min(POLL_S, max(0.0, deadline - time.monotonic())))
            self._refresh()
        return records

    def skip_to_end(self) -> None:
        """Leave out all events that are there now."""
        while self._next():
            continue

    def close(self) -> None:
        """Do nothing: no file is kept open."""

    def _next(self) -> list[RawRecord]:
        while records := list(islice(self._new, _READ_EVENTS)):
            skipped = max(0, self._start - self.position)
            self.position += len(records)
            if records[skipped:]:
                return records[skipped:]
        return []

    def _refresh(self) -> None:
        paths = RunPaths(self._path)
        listing = [*paths.log_dir.glob("*.mcap"), *paths.spool_dir.glob("*.mcap")]
        if listing != self._listing:
            self._listing = listing
            self._merge.add_files(readable_files(self._path))
        self._new = self._merge.records()

    def _read_new(self, path: Path, on_damage: OnDamage) -> Iterator[RawRecord]:
        file = self._files.get(path)
        if file is None:
            file = self._files[path] = GrowingFile(path)
        return file.read()
