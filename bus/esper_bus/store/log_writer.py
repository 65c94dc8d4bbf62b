"""The aggregator's log of one run: what is in it is acknowledged, and nothing else is."""

import time
from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter
from pathlib import Path

from esper_bus.limits import LOG_FILE_BYTES, SYNC_S
from esper_bus.mcap.append_file import FileDeletedError
from esper_bus.mcap.event_channels import FileMeta, open_channel, write_meta
from esper_bus.mcap.writer import McapWriter
from esper_bus.names import epoch_hex
from esper_bus.paths import RunPaths
from esper_bus.rate_limited_log import RateLimitedLog
from esper_bus.records import RawRecord, StreamKey
from esper_bus.store.log_position import LogPosition, SizedFile, place_behind, sized
from esper_bus.store.run_files import log_files, next_ordinal
from esper_schemas.errors import StorageError

_MAX_CHANNELS = 60_000  # the format numbers them with 16 bits
_DELETED = "the log was deleted while it was being written, and what was in it is gone"


class LogWriter:
    """Appends the events of one run to files of at most 256 MiB, made when they are needed.

    `directory` is the run's directory; `position` counts the events of the run's log, from
    `first_position` on. Only the one aggregator that holds the lock may write. Where its file is deleted, it
    goes on in a new one, with what was not flushed by then, and is not `whole` any more.
    """

    def __init__(self, directory: Path, run: str, agg_epoch: int, first_position: int) -> None:
        self.position = first_position
        self.whole = True
        self._paths = RunPaths(directory)
        self._run = run
        self._agg_epoch = agg_epoch
        self._number = 0
        self._writer: McapWriter | None = None
        self._before: list[SizedFile] = []
        self._channels: dict[StreamKey, int] = {}
        self._schema = 0
        self._synced_at = time.monotonic()
        self._unflushed: list[RawRecord] = []
        self._log = RateLimitedLog("esper.bus.store", run=run)

    def extend(self, records: Sequence[RawRecord]) -> None:
        """Add events; they are safe once `flush` has returned. Raises `StorageError`, with none added."""
        self._add(self._writer or self._begin_file(), records)
        self._unflushed += records
        self.position += len(records)

    def _add(self, writer: McapWriter, records: Sequence[RawRecord]) -> None:
        for stream, group in groupby(records, attrgetter("stream")):
            messages = [(r.seq, r.received_ns, r.emitted_ns, r.data) for r in group]
            channel = self._channels.get(stream)
            if channel is None:
                channel = self._channels[stream] = open_channel(writer, self._schema, stream, messages[0][0])
            writer.messages(channel, messages)

    def flush(self) -> None:
        """Write what was appended. Raises `StorageError`; nothing is lost then, it may be tried again."""
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
        self._sync_sometimes(writer)
        self._unflushed.clear()
        if self._is_full(writer):
            self._end_file(writer)

    def place(self) -> LogPosition:
        """Where the log ends after the last flush; something was logged before. Raises `OSError`."""
        if self._writer is None:
            return place_behind(sized(log_files(self._paths.run_dir).logs))
        return place_behind([*self._before, (self._writer.path, self._writer.size)], self._writer.channels)

    def close(self) -> None:
        """Write what was appended and finish the file. Raises `StorageError`."""
        self.flush()
        if self._writer is None:
            return
        try:
            self._end_file(self._writer)
        except FileDeletedError:
            self._say_deleted()
        except OSError as error:
            raise StorageError(_cannot_write(self._paths.log_dir, error)) from error

    def _begin_file(self) -> McapWriter:
        path = self._paths.log_file(self._agg_epoch, self._number)
        try:
            ordinal = next_ordinal(self._paths.run_dir)
            self._before = sized(log_files(self._paths.run_dir).logs)
            writer = McapWriter(path, compress=True)
        except OSError as error:
            raise StorageError(_cannot_write(path, error)) from error
        meta = FileMeta(
            kind="log",
            run=self._run,
            writer_epoch=epoch_hex(self._agg_epoch),
            created_ns=time.time_ns(),
            ordinal=ordinal,
            first_position=self.position - len(self._unflushed),
        )
        self._schema = write_meta(writer, meta)
        self._writer = writer
        self._add(writer, self._unflushed)
        return writer

    def _sync_sometimes(self, writer: McapWriter) -> None:
        now = time.monotonic()
        if now - self._synced_at >= SYNC_S:
            self._synced_at = now
            writer.sync()

    def _is_full(self, writer: McapWriter) -> bool:
        return writer.size >= LOG_FILE_BYTES or writer.channel_count >= _MAX_CHANNELS

    def _abandon_file(self) -> None:
        """Somebody deleted it; what is not flushed goes to the next one."""
        self._say_deleted()
        writer = self._writer
        if writer is not None:
            self._next_file()
            writer.abandon()

    def _say_deleted(self) -> None:
        self.whole = False
        self._log.warn(_DELETED, directory=str(self._paths.log_dir))

    def _end_file(self, writer: McapWriter) -> None:
        writer.flush()
        self._next_file()
        writer.close()

    def _next_file(self) -> None:
        self._writer = None
        self._number += 1
        self._channels.clear()


def _cannot_write(path: Path, error: OSError) -> str:
    return f"Cannot write {path} ({error.strerror}); free space or make it writable."
