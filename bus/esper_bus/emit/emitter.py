"""Records events from a training loop, which never waits for a disk or a socket."""

import atexit
import os
import time
import weakref
from pathlib import Path

import msgspec

from esper_bus.auth.keys import ClientKeys
from esper_bus.emit.emit_queue import EmitQueue
from esper_bus.emit.writer_thread import WriterThread
from esper_bus.host.file_system import network_warning
from esper_bus.names import check_name, new_epoch
from esper_bus.paths import RunPaths, default_spool_quota
from esper_bus.rate_limited_log import RateLimitedLog
from esper_bus.records import StreamKey
from esper_bus.store.spool import SpoolWriter
from esper_schemas.errors import StorageError
from esper_schemas.events import Event, LogRecorded

MAX_EVENTS = 65_536
"""At most this many events wait in memory while they can be neither written nor delivered."""
MAX_BYTES = 64 * 1024 * 1024
CLOSE_S = 2.0
_SPOOL_CLOSE_S = 0.5
"""Time to write the spool, however short the wait for an aggregator is."""


class EmitterReport(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the events of one emitter.

    `emitted` counts calls of `emit`, `dropped` those among them whose event could not be kept, `held` events
    that so far are only in memory. `spooled` and `acknowledged` count events in the spool and in the
    aggregator's log, including those of the emitter itself: losses (`EventsDropped`), problems with the
    spool and their end (`LogRecorded`). `left_out` counts values that were left out of their
    events because no reader could decode them, `errors` unexpected exceptions. `problem` is why events, or
    values of them, are not recorded or sent at present, in one sentence.
    """

    emitted: int = 0
    spooled: int = 0
    acknowledged: int = 0
    dropped: int = 0
    held: int = 0
    errors: int = 0
    left_out: int = 0
    spool: str = ""
    problem: str = ""


class Emitter:
    """Writes the events of one process of a run to its spool, and sends them to an aggregator.

    Without `ingest`, the aggregator's address, it only writes; `keys` authenticate it over tcp. The spool
    takes at most `spool_quota` bytes, `$ESPER_SPOOL_QUOTA` or 2 GiB by default. Raises `StorageError` if the
    spool cannot be created, `InvalidArgument` for a bad name; afterwards no failure of disk or network
    reaches the caller. A forked child inherits an emitter that does nothing.
    """

    def __init__(
        self,
        run: str,
        producer: str,
        run_dir: Path,
        ingest: str | None = None,
        *,
        keys: ClientKeys | None = None,
        max_events: int = MAX_EVENTS,
        max_bytes: int = MAX_BYTES,
        spool_quota: int | None = None,
    ) -> None:
        self.epoch = new_epoch()
        key = StreamKey(check_name("run", run), check_name("producer", producer), self.epoch)
        self._queue = EmitQueue(max_events, max_bytes)
        quota = default_spool_quota() if spool_quota is None else spool_quota
        self._spool = spool = _open_spool(RunPaths(run_dir), key, quota)
        self._log = RateLimitedLog("esper.bus.emit", run=run, producer=producer)
        self._writer = WriterThread(key, self._queue, spool, ingest, keys)
        self._put = self._queue.put
        self._disabled = False
        self._writer.start()
        _emitters.add(self)
        self._warn_if_remote(run_dir)

    def emit(self, event: Event, emitted_ns: int | None = None) -> None:
        """Record an event as it is now. Never blocks, never raises; counts what cannot be kept.

        `emitted_ns` is its time, in nanoseconds since 1970, if that is not now.
        """
        try:
            self._put(event, emitted_ns)
        except Exception as error:
            self._log.warn("cannot encode an event", error=repr(error))

    def _warn_if_remote(self, run_dir: Path) -> None:
        warning = network_warning(run_dir)
        if warning:
            self._log.warn("the spool is not on a local disk", reason=warning)
            self.emit(LogRecorded(level="warning", message=warning))

    @property
    def stats(self) -> EmitterReport:
        """What became of the events so far."""
        return EmitterReport(
            emitted=self._queue.offered,
            spooled=self._writer.spooled,
            acknowledged=self._writer.acknowledged,
            dropped=self._queue.dropped,
            held=len(self._queue) + self._writer.held,
            errors=self._writer.errors,
            left_out=self._writer.left_out,
            spool=str(self._spool.path),
            problem=self._writer.problem,
        )

    def close(self, timeout: float = CLOSE_S) -> EmitterReport:
        """Write the remaining events and wait at most `timeout` seconds for acknowledgements.

        Does not wait without an aggregator. Events that were not acknowledged stay in the spool; those that
        are not there either are lost, counted as dropped, and logged.
        """
        if self._disabled or self._queue.closed:
            return self.stats
        self._queue.close()
        deadline = time.monotonic() + timeout
        self._writer.stop(deadline)
        self._writer.join(max(timeout, _SPOOL_CLOSE_S))
        self._warn_of_losses(self.stats)
        if not self._writer.is_alive():
            self._queue.drop_waiting()
            self._queue.drop_taken(self._writer.drop_held())
        _emitters.discard(self)
        return self.stats

    def _warn_of_losses(self, report: EmitterReport) -> None:
        """Events in memory are lost with the program, also if the thread still waits for its disk."""
        if report.held:
            reason = report.problem or f"Cannot write {report.spool} in time; check its disk."
            self._log.warn("events were not written and are lost", count=report.held, reason=reason)

    def disable(self) -> None:
        """Do nothing from now on: this is the copy in a forked process, which has no writer thread."""
        self._disabled, self._put = True, _ignore


class NullEmitter:
    """Discards events, where an `Emitter` is expected and recording is disabled."""

    epoch = 0

    def emit(self, event: Event, emitted_ns: int | None = None) -> None:
        """Do nothing."""

    @property
    def stats(self) -> EmitterReport:
        """Nothing was emitted."""
        return EmitterReport()

    def close(self, timeout: float = CLOSE_S) -> EmitterReport:
        """Nothing was emitted."""
        return EmitterReport()


def _ignore(event: Event, emitted_ns: int | None = None) -> None:
    """Discard an event."""


def _open_spool(paths: RunPaths, key: StreamKey, quota: int) -> SpoolWriter:
    try:
        return SpoolWriter(paths, key, quota)
    except OSError as error:
        raise StorageError(
            f"Cannot write to {paths.spool_dir} ({error.strerror}); make it writable and free "
            "space, or choose another runs directory."
        ) from error


_emitters: "weakref.WeakSet[Emitter]" = weakref.WeakSet()


def _close_all() -> None:
    for emitter in list(_emitters):
        emitter.close()


def _disable_all() -> None:
    for emitter in list(_emitters):
        emitter.disable()


atexit.register(_close_all)
os.register_at_fork(after_in_child=_disable_all)
