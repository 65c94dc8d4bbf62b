"""Reads the events that dead trainers left in their spools and no aggregator has, one part at a time."""

from itertools import chain, takewhile
from pathlib import Path
from typing import NamedTuple

from esper_bus.mcap.reader import Damage, read_file
from esper_bus.paths import spool_files
from esper_bus.rate_limited_log import RateLimitedLog
from esper_bus.records import RawRecord
from esper_bus.store.batch_reader import BatchReader
from esper_bus.store.run_reader import refuse_unreadable
from esper_bus.store.spool_lock import LOCK_SUFFIX, is_dead
from esper_schemas.errors import StorageError

SCAN_S = 2.0
"""Interval between two searches for dead trainers."""
PART_EVENTS = 1000
"""Events that are read at once, so that living trainers do not have to wait."""
PART_BYTES = 4 * 1024 * 1024
_LOCKS = f"*/spool/*{LOCK_SUFFIX}"


def _locked_at(lock: Path) -> tuple[float, str]:
    """When a trainer began: the fold ignores events of a process that arrive after those of a later one."""
    try:
        return lock.stat().st_mtime, lock.name
    except OSError:  # it was removed
        return 0.0, lock.name


class _Spool(NamedTuple):
    lock: Path
    reader: BatchReader


class Adoption:
    """Finds the spools of dead trainers below a runs directory, and reads each to its end.

    A spool is done once `mark_recorded` was called after its last part; its lock is removed then, so that it
    is not read again.
    """

    def __init__(self, runs_dir: Path) -> None:
        self._runs_dir = runs_dir
        self._log = RateLimitedLog("esper.bus.store", runs_dir=str(runs_dir))
        self._waiting: list[Path] = []
        self._spool: _Spool | None = None
        self._done: list[Path] = []
        self._given_up: set[Path] = set()
        self._scan_at = 0.0

    @property
    def busy(self) -> bool:
        """Whether there is more to be read now."""
        return self._spool is not None or bool(self._waiting)

    def next_records(self, now: float) -> list[RawRecord]:
        """The next consecutive events of one stream; empty if there are none now."""
        spool = self._spool = self._spool or self._open_next(now)
        if spool is None:
            return []
        try:
            part = spool.reader.take(PART_EVENTS, PART_BYTES)
        except StorageError as error:
            self.give_up(str(error))
            return []
        if not part:
            self._done.append(spool.lock)
            self._spool = None
        return part

    def mark_recorded(self) -> None:
        """All events that were returned are in the log: remove the locks of the spools read to their end."""
        for lock in self._done:
            try:
                lock.unlink(missing_ok=True)
            except OSError as error:
                self._given_up.add(lock)
                self._log.warn("cannot remove the lock of a spool", lock=str(lock), error=error.strerror)
        self._done.clear()

    def give_up(self, reason: str) -> None:
        """The last part cannot be read or recorded: ignore its spool until the next start."""
        if self._spool is not None:
            lock = self._spool.lock
            self._given_up.add(lock)
            self._log.warn("cannot adopt a spool", lock=str(lock), error=reason)
        self._spool = None

    def _open_next(self, now: float) -> _Spool | None:
        if not self._waiting and now >= self._scan_at:
            self._scan_at = now + SCAN_S
            found = set(self._runs_dir.glob(_LOCKS)) - self._given_up - set(self._done)
            self._waiting = sorted((lock for lock in found if is_dead(lock)), key=_locked_at)
        if not self._waiting:
            return None
        lock = self._waiting.pop(0)
        on_damage = refuse_unreadable(self._log_damage)
        files = (read_file(path, on_damage) for path in spool_files(lock))
        run = lock.parents[1].name  # the events of a renamed or copied directory belong to another run
        records = takewhile(lambda record: record.stream.run == run, chain.from_iterable(files))
        return _Spool(lock, BatchReader(records))

    def _log_damage(self, damage: Damage) -> None:
        self._log.warn("a dead trainer's spool is damaged", file=damage.file, what=damage.what)
