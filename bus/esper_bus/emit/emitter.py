"""What a training loop uses: `emit` an event, and never wait for a disk, a socket or a person."""

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
"""Events that wait in memory at most, while they can be neither written nor delivered."""
MAX_BYTES = 64 * 1024 * 1024
CLOSE_S = 2.0
_SPOOL_CLOSE_S = 0.5
"""The spool gets this long to be written, however short the wait for an aggregator is."""


class EmitterReport(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the events of one emitter.

    `emitted` counts calls of `emit`, `dropped` those among them that could not be kept, `held` those that
    so far are only in memory. `spooled` and `acknowledged` count events in the spool and in the
    aggregator's log, together with what the emitter itself tells there: losses (`EventsDropped`), trouble
    with the spool and its end (`LogRecorded`). `problem` is what is wrong now, in one sentence.
    """

    emitted: int = 0
    spooled: int = 0
    acknowledged: int = 0
    dropped: int = 0
    held: int = 0
    errors: int = 0
    spool: str = ""
    problem: str = ""


class Emitter:
    """Writes the events of one process of a run to its spool, and sends them to an aggregator.

    Without `ingest`, the aggregator's address, it only writes; `keys` let it in over tcp. The spool takes
    at most `spool_quota` bytes, `$ESPER_SPOOL_QUOTA` or 2 GiB by default. Raises `StorageError` where no
    spool can be made; afterwards nothing that happens to disk or network reaches the caller. A forked child
    inherits an emitter that does nothing.
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
        self._recorder = WriterThread(key, self._queue, spool, ingest, keys)
        self._put = self._queue.put
        self._disabled = False
        self._recorder.start()
        _emitters.add(self)
        self._say_if_remote(run_dir)

    def emit(self, event: Event) -> None:
        """Take an event as it is now. Never blocks, never raises; what cannot be kept is counted."""
        try:
            self._put(event)
        except Exception as error:
            self._log.warn("an event cannot be encoded", error=repr(error))

    def _say_if_remote(self, run_dir: Path) -> None:
        warning = network_warning(run_dir)
        if warning:
            self._log.warn("the spool is not on a local disk", reason=warning)
            self.emit(LogRecorded(level="warning", message=warning))

    @property
    def stats(self) -> EmitterReport:
        """What became of the events so far."""
        return EmitterReport(
            emitted=self._queue.offered,
            spooled=self._recorder.spooled,
            acknowledged=self._recorder.acknowledged,
            dropped=self._queue.dropped,
            held=len(self._queue) + self._recorder.held,
            errors=self._recorder.errors,
            spool=str(self._spool.path),
            problem=self._recorder.problem,
        )

    def close(self, timeout: float = CLOSE_S) -> EmitterReport:
        """Write what is left, wait at most `timeout` seconds for acknowledgements, say goodbye.

        Does not wait if no aggregator is there. What was not acknowledged stays in the spool; what is not
        there either is lost, counted as dropped, and warned of.
        """
        if self._disabled or self._queue.closed:
            return self.stats
        self._queue.close()
        deadline = time.monotonic() + timeout
        self._recorder.stop(deadline)
        self._recorder.join(max(timeout, _SPOOL_CLOSE_S))
        self._say_what_is_lost(self.stats)
        if not self._recorder.is_alive():
            self._queue.forget()
            self._queue.give_up(self._recorder.give_up())
        _emitters.discard(self)
        return self.stats

    def _say_what_is_lost(self, report: EmitterReport) -> None:
        """The last chance: a thread that waits for its disk dies with the program, and events with it."""
        if report.held:
            reason = report.problem or f"Cannot write {report.spool} in time; look at its disk."
            self._log.warn("events are in no file and are lost", count=report.held, reason=reason)

    def disable(self) -> None:
        """Do nothing from now on: this is a forked copy, whose thread stayed with the parent."""
        self._disabled, self._put = True, _ignore


class NullEmitter:
    """Takes events and forgets them, where an `Emitter` is expected and none is wanted."""

    epoch = 0

    def emit(self, event: Event) -> None:
        """Do nothing."""

    @property
    def stats(self) -> EmitterReport:
        """Nothing was emitted."""
        return EmitterReport()

    def close(self, timeout: float = CLOSE_S) -> EmitterReport:
        """Nothing was emitted."""
        return EmitterReport()


def _ignore(event: Event) -> None:
    """What a forked copy does with an event."""


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
