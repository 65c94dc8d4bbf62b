"""Where an importer writes its events: into a spool, or into an emitter that also sends them.

Both wait for the disk instead of dropping events, and keep the original times.
"""

import time
from pathlib import Path
from typing import Protocol

from esper_bus.auth.keys import ClientKeys
from esper_bus.emit.emitter import CLOSE_S, MAX_EVENTS, Emitter
from esper_bus.limits import BATCH_BYTES, BATCH_EVENTS
from esper_bus.names import new_epoch
from esper_bus.paths import RunPaths
from esper_bus.records import Batch, Entry, StreamKey
from esper_bus.store.spool import SpoolWriter
from esper_schemas.codec import encode_event
from esper_schemas.errors import StorageError
from esper_schemas.events import Event

PRODUCER = "trainer:0"
_NO_QUOTA = 2**62
"""An import is not limited: what it reads is on the disk already."""
_CHECK_EVENTS = 256
_PAUSE_S = 0.01
_PATIENCE_S = 30.0


class EventSink(Protocol):
    """Takes events with their times, in nanoseconds since 1970."""

    def emit(self, event: Event, emitted_ns: int) -> None:
        """Record an event; waits while there is no room for it."""

    def close(self) -> None:
        """Record what is still in memory."""


class SpoolSink:
    """Writes to a new spool of a run, for whichever aggregator finds it. Raises `StorageError`."""

    def __init__(self, run: str, run_dir: Path) -> None:
        self._entries: list[Entry] = []
        self._first = self._bytes = 0
        try:
            key = StreamKey(run, PRODUCER, new_epoch())
            self._spool = SpoolWriter(RunPaths(run_dir), key, _NO_QUOTA)
        except OSError as error:
            raise _cannot_write(run_dir, error) from error

    def emit(self, event: Event, emitted_ns: int) -> None:
        """As `EventSink.emit`. Raises `StorageError`."""
        data = encode_event(event)
        self._entries.append((emitted_ns, data))
        self._bytes += len(data)
        if len(self._entries) >= BATCH_EVENTS or self._bytes >= BATCH_BYTES:
            self._write()

    def close(self) -> None:
        """As `EventSink.close`. Raises `StorageError`."""
        try:
            self._write()
            self._spool.sync()
        except OSError as error:
            raise _cannot_write(self._spool.path, error) from error
        finally:
            self._spool.close()

    def _write(self) -> None:
        try:
            self._spool.write(Batch(self._first, self._entries))
        except OSError as error:
            raise _cannot_write(self._spool.path, error) from error
        self._first += len(self._entries)
        self._entries, self._bytes = [], 0


class LiveSink:
    """Writes to a new spool and sends events to an aggregator. Raises `StorageError`."""

    def __init__(self, run: str, run_dir: Path, ingest: str | None, keys: ClientKeys | None) -> None:
        self._emitter = Emitter(run, PRODUCER, run_dir, ingest, keys=keys)
        self._unchecked = 0

    def emit(self, event: Event, emitted_ns: int) -> None:
        """As `EventSink.emit`. Raises `StorageError` if the disk takes nothing for a long time."""
        self._unchecked += 1
        if self._unchecked >= _CHECK_EVENTS:
            self._unchecked = 0
            self._wait_for_room()
        self._emitter.emit(event, emitted_ns)

    def _wait_for_room(self) -> None:
        deadline = time.monotonic() + _PATIENCE_S
        while (stats := self._emitter.stats).held > MAX_EVENTS // 4:
            if time.monotonic() > deadline:
                raise StorageError(stats.problem or f"Cannot write {stats.spool} in time; check its disk.")
            time.sleep(_PAUSE_S)

    def close(self) -> None:
        """As `EventSink.close`, and wait some seconds for the aggregator."""
        self._emitter.close(CLOSE_S)


def _cannot_write(path: Path, error: OSError) -> StorageError:
    return StorageError(
        f"Cannot write {path} ({error.strerror}); free space, or choose another runs directory."
    )
