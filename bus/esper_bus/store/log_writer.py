"""Writes the aggregator's log of one run; exactly the events in it are acknowledged."""

import time
from collections.abc import Sequence
from pathlib import Path

from esper_bus.limits import LOG_FILE_BYTES, SYNC_S
from esper_bus.mcap.append_file import FileDeletedError
from esper_bus.mcap.event_channels import FileMeta
from esper_bus.mcap.event_writer import EventWriter
from esper_bus.names import epoch_hex
from esper_bus.paths import RunPaths
from esper_bus.rate_limited_log import RateLimitedLog
from esper_bus.records import RawRecord
from esper_bus.store.log_position import LogPosition, SizedFile, with_sizes
from esper_bus.store.run_files import log_files, next_ordinal
from esper_schemas.errors import StorageError

_MAX_CHANNELS = 60_000  # the format numbers them with 16 bits
_DELETED = "the log was deleted while it was being written; the events in it are lost"


class LogWriter:
    """Appends the events of one run to files of at most 256 MiB, which are created when they are needed.

    `directory` is the run's directory; `position` counts the events of the run's log, from `first_position`
    on; `fold_version` is noted in the files. Only the aggregator that holds the lock may write. If its file
    is deleted, it continues in a new one, with the events that were not flushed, and is not `whole` any more.
    """

    def __init__(
        self, directory: Path, run: str, agg_epoch: int, first_position: int, fold_version: int = 0
    ) -> None:
        self.position = first_position
        self.whole = True
        self._paths = RunPaths(directory)
        self._run = run
        self._agg_epoch = agg_epoch
        self._fold_version = fold_version
        self._number = 0
        self._writer: EventWriter | None = None
        self._before: list[SizedFile] = []
        self._synced_at = time.monotonic()
        self._unflushed: list[RawRecord] = []
        self._log = RateLimitedLog("esper.bus.store", run=run)

    def extend(self, records: Sequence[RawRecord]) -> None:
        """Append events; they are safe once `flush` has returned. Raises `StorageError`, with none added."""
        writer = self._writer or self._begin_file()
        writer.append(records)
        self._unflushed += records
        self.position += len(records)

    def flush(self) -> None:
        """Write the appended events. Raises `StorageError`; none is lost then, and it may be called again."""
        try:
            self._flush()
        except FileDeletedError:
            self._abandon_file()
            self.flush()
        except OSError as error:
            raise StorageError(_cannot_write(self._paths.log_dir, error)) from error

    def _flush(self) -> None:
        writer = self._writer
        if writer is None and self._unflushed:
            writer = self._begin_file()
        if writer is None:
            return
        writer.flush()
        self._sync_if_due(writer)
        self._unflushed.clear()
        if self._is_full(writer):
            self._end_file(writer)

    def end(self) -> LogPosition:
        """The end of the log after the last flush; it has at least one event. Raises `OSError`."""
        if self._writer is None:
            return LogPosition.after(with_sizes(log_files(self._paths.run_dir).logs))
        files = [*self._before, (self._writer.path, self._writer.size)]
        return LogPosition.after(files, self._writer.channels)

    def close(self) -> None:
        """Write the appended events and finish the file. Raises `StorageError`."""
        self.flush()
        if self._writer is None:
            return
        try:
            self._end_file(self._writer)
        except FileDeletedError:
            self._warn_deleted()
        except OSError as error:
            raise StorageError(_cannot_write(self._paths.log_dir, error)) from error

    def _begin_file(self) -> EventWriter:
        path = self._paths.log_file(self._agg_epoch, self._number)
        try:
            meta = FileMeta(
                kind="log",
                run=self._run,
                writer_epoch=epoch_hex(self._agg_epoch),
                created_ns=time.time_ns(),
                ordinal=next_ordinal(self._paths.run_dir),
                first_position=self.position - len(self._unflushed),
                fold_version=self._fold_version,
            )
            self._before = with_sizes(log_files(self._paths.run_dir).logs)
            writer = EventWriter(path, meta, compress=True)
        except OSError as error:
            raise StorageError(_cannot_write(path, error)) from error
        self._writer = writer
        writer.append(self._unflushed)
        return writer

    def _sync_if_due(self, writer: EventWriter) -> None:
        now = time.monotonic()
        if now - self._synced_at >= SYNC_S:
            self._synced_at = now
            writer.sync()

    def _is_full(self, writer: EventWriter) -> bool:
        return writer.size >= LOG_FILE_BYTES or writer.channel_count >= _MAX_CHANNELS

    def _abandon_file(self) -> None:
        """Close the deleted file; events that were not flushed go to the next one."""
        self._warn_deleted()
        writer = self._writer
        if writer is not None:
            self._next_file()
            writer.abandon()

    def _warn_deleted(self) -> None:
        self.whole = False
        self._log.warn(_DELETED, directory=str(self._paths.log_dir))

    def _end_file(self, writer: EventWriter) -> None:
        writer.flush()
        self._next_file()
        writer.close()

    def _next_file(self) -> None:
        self._writer = None
        self._number += 1


def _cannot_write(path: Path, error: OSError) -> str:
    return f"Cannot write {path} ({error.strerror}); free space or make it writable."
