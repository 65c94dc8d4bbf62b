"""The files into which one start of a trainer writes every event before it is sent.

A spool continues in a new file when one is full. When it would exceed its quota, the oldest files are
removed if all of their events are acknowledged, and so in the aggregator's log; others are never removed.
"""

import contextlib
from collections import deque
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from esper_bus.limits import SPOOL_FILE_BYTES, SPOOL_FILES, SPOOL_QUOTA_BYTES
from esper_bus.paths import RunPaths
from esper_bus.records import Batch, RawRecord, StreamKey, consecutive, record_data, take_batch
from esper_bus.store.spool_lock import lock_spool
from esper_bus.store.spool_segment import Segment, size_of


class SpoolQuotaError(OSError):
    """A spool has reached its quota, and none of its files may be removed."""


class SpoolWriter:
    """The spool of one stream; its files together stay below `quota` bytes.

    Raises `OSError` if it cannot be created.
    """

    def __init__(self, paths: RunPaths, key: StreamKey, quota: int = SPOOL_QUOTA_BYTES) -> None:
        self._paths = paths
        self._key = key
        self._quota = quota
        self._file_bytes = min(SPOOL_FILE_BYTES, quota // SPOOL_FILES)
        self._numbers = count()
        self._lock = lock_spool(paths.spool_file(key.producer, key.epoch))
        try:
            self._segments = deque([self._begin(0)])
        except OSError:
            self._lock.release(remove=True)
            raise

    @property
    def path(self) -> Path:
        """The file that is being written."""
        return self._segments[-1].path

    def write(self, batch: Batch, acknowledged: int = 0) -> None:
        """Write events; once this has returned, they survive a kill of the process.

        Events before number `acknowledged` are in the aggregator's log. Raises `OSError`, with none written:
        `SpoolQuotaError` if the spool has reached its quota, `FileDeletedError` if the file was deleted; call
        `restart` then.
        """
        if not batch.entries:
            return
        last = self._segments[-1]
        if last.size >= self._file_bytes and not last.empty:
            last.check()  # its deletion would not be noticed later
            self._roll(batch.first)
        self._make_room(size_of(batch.entries), acknowledged)
        self._segments[-1].write(batch)

    def restart(self, first: int) -> None:
        """Continue in a new file with event `first`, since the last one was deleted. Raises `OSError`."""
        self._lock.restore()
        new = self._begin(first)
        self._segments[-1].abandon()
        self._segments = deque([*(one for one in self._segments if one.path.exists()), new])

    def read(self, first: int, max_events: int, max_bytes: int) -> Batch:
        """Consecutive events from `first` on, or from the first event after it that was written.

        The batch is empty if there is none. Raises `OSError`.
        """
        records = consecutive(self._records_from(first))
        return Batch.of(first, take_batch(records, max_events, max_bytes, record_data))

    def sync(self) -> None:
        """Sync the last file to the disk. Raises `OSError`, as `write` does."""
        self._segments[-1].sync()

    def close(self, *, delivered: bool = False) -> None:
        """Finish the last file. Raises `OSError` if it has no index then; it is readable.

        Unless all events were `delivered`, an aggregator will adopt those that its log lacks.
        """
        try:
            self._segments[-1].finish()
        finally:
            self._lock.release(remove=delivered)

    def _begin(self, first: int) -> Segment:
        number = next(self._numbers)
        path = self._paths.spool_file(self._key.producer, self._key.epoch, number)
        return Segment(path, self._key, number, first)

    def _roll(self, first: int) -> None:
        full = self._segments[-1]
        self._segments.append(self._begin(first))
        with contextlib.suppress(OSError):  # it has no index then, and is readable
            full.finish()

    def _make_room(self, size: int, acknowledged: int) -> None:
        while self._size + size > self._quota:
            if len(self._segments) == 1 or self._segments[0].end > acknowledged:
                raise SpoolQuotaError(_over_quota(self.path.parent, self._quota))
            self._segments[0].path.unlink(missing_ok=True)
            self._segments.popleft()

    @property
    def _size(self) -> int:
        return sum(segment.size for segment in self._segments)

    def _records_from(self, first: int) -> Iterator[RawRecord]:
        for segment in self._segments:
            if segment.end > first:
                with contextlib.suppress(FileNotFoundError):  # it was deleted
                    yield from segment.read_from(first)


def _over_quota(directory: Path, quota: int) -> str:
    return (
        f"The spool in {directory} has reached its quota of {quota / 2**20:g} MiB and no file of it is "
        "acknowledged; start an aggregator for it, or raise the quota (ESPER_SPOOL_QUOTA)."
    )
