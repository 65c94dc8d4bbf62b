"""The files into which one start of a trainer writes every event before anybody hears of it.

A spool goes on in a new file when one is full. Where it would exceed its quota, the oldest files go whose
events are all acknowledged, and so in the aggregator's log; others never do.
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
    """A spool has reached its quota, and nothing in it may be removed."""


class SpoolWriter:
    """The spool of one stream; its files together stay below `quota` bytes.

    Raises `OSError` where it cannot be made.
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
        """Write events; when this returns, a kill of the process cannot lose them.

        Those before number `acknowledged` are in the aggregator's log. Raises `OSError`, and has written
        none of the events then; `SpoolQuotaError` where there is space, but not for this spool, and
        `FileDeletedError` where the file was deleted: `restart`.
        """
        if not batch.entries:
            return
        last = self._segments[-1]
        if last.size >= self._file_bytes and not last.empty:
            last.check()  # else it is left behind, and nobody misses it
            self._roll(batch.first)
        self._make_room(size_of(batch.entries), acknowledged)
        self._segments[-1].write(batch)

    def restart(self, first: int) -> None:
        """Go on in a new file with event `first`, because the last one was deleted. Raises `OSError`."""
        self._lock.restore()
        new = self._begin(first)
        self._segments[-1].abandon()
        self._segments = deque([*(one for one in self._segments if one.path.exists()), new])

    def read(self, first: int, max_events: int, max_bytes: int) -> Batch:
        """Consecutive events from `first` on, or from the first one behind it that was written.

        Empty if there is none. Raises `OSError`.
        """
        records = consecutive(self._records_from(first))
        return Batch.of(first, take_batch(records, max_events, max_bytes, record_data))

    def sync(self) -> None:
        """Force what was written to the disk. Raises `OSError`, as `write` does."""
        self._segments[-1].sync()

    def close(self, *, delivered: bool = False) -> None:
        """Finish the file. Raises `OSError` if it stays unfinished; it is readable all the same.

        Unless all of it was `delivered`, an aggregator will adopt what its log lacks.
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
        with contextlib.suppress(OSError):  # it stays without an index, and is readable all the same
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
                with contextlib.suppress(FileNotFoundError):  # somebody deleted it
                    yield from segment.read_from(first)


def _over_quota(directory: Path, quota: int) -> str:
    return (
        f"The spool in {directory} has reached its quota of {quota / 2**20:g} MiB and nothing in it was "
        "acknowledged; start an aggregator for it, or raise the quota (ESPER_SPOOL_QUOTA)."
    )
