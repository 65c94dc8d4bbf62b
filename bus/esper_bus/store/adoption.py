"""Reads what dead trainers left in their spools and no aggregator has yet, a part at a time."""

from itertools import chain, takewhile
from pathlib import Path

from esper_bus.mcap.reader import Damage, read_file
from esper_bus.paths import spool_files
from esper_bus.rate_limited_log import RateLimitedLog
from esper_bus.records import RawRecord
from esper_bus.store.batch_reader import BatchReader
from esper_bus.store.run_reader import refuse_unreadable
from esper_bus.store.spool_lock import LOCK_SUFFIX, is_dead
from esper_schemas.errors import StorageError

SCAN_S = 2.0
"""Pause between two searches for dead trainers."""
PART_EVENTS = 1000
"""Events that are taken at once, so that living trainers need not wait."""
PART_BYTES = 4 * 1024 * 1024
_LOCKS = f"*/spool/*{LOCK_SUFFIX}"


class Adoption:
    """Finds the spools of dead trainers below a runs directory, and reads each to its end.

    A spool counts as done once `recorded` was called after its last part; its lock is removed then, which
    keeps it from being read again. `busy` says that there is more to be read now.
    """

    def __init__(self, runs_dir: Path) -> None:
        self._runs_dir = runs_dir
        self._log = RateLimitedLog("esper.bus.store", runs_dir=str(runs_dir))
        self._waiting: list[Path] = []
        self._reading: tuple[Path, BatchReader] | None = None
        self._done: list[Path] = []
        self._given_up: set[Path] = set()
        self._scan_at = 0.0

    @property
    def busy(self) -> bool:
        """Whether a spool is being read."""
        return self._reading is not None or bool(self._waiting)

    def next_records(self, now: float) -> list[RawRecord]:
        """The next events of one stream, consecutive; empty if there are none now."""
        if self._reading is None and not self._open_next(now):
            return []
        try:
            part = self._reading[1].take(PART_EVENTS, PART_BYTES) if self._reading else []
        except StorageError as error:
            self.failed(str(error))
            return []
        if not part:
            self._finish()
        return part

    def recorded(self) -> None:
        """All that was returned is in the log: forget the spools that came to their end."""
        for lock in self._done:
            try:
                lock.unlink(missing_ok=True)
            except OSError as error:
                self._given_up.add(lock)
                self._log.warn("a spool's lock cannot be removed", lock=str(lock), error=error.strerror)
        self._done.clear()

    def failed(self, reason: str) -> None:
        """The last part cannot be read or recorded: leave its spool alone until the next start."""
        if self._reading is not None:
            lock = self._reading[0]
            self._given_up.add(lock)
            self._log.warn("a spool cannot be adopted", lock=str(lock), error=reason)
        self._reading = None

    def _open_next(self, now: float) -> bool:
        if not self._waiting and now >= self._scan_at:
            self._scan_at = now + SCAN_S
            found = set(self._runs_dir.glob(_LOCKS)) - self._given_up - set(self._done)
            self._waiting = sorted(lock for lock in found if is_dead(lock))
        if not self._waiting:
            return False
        lock = self._waiting.pop(0)
        on_damage = refuse_unreadable(self._log_damage)
        files = (read_file(path, on_damage) for path in spool_files(lock))
        run = lock.parents[1].name  # the events of a directory that was renamed or copied belong elsewhere
        records = takewhile(lambda record: record.stream.run == run, chain.from_iterable(files))
        self._reading = (lock, BatchReader(records))
        return True

    def _finish(self) -> None:
        if self._reading is not None:
            self._done.append(self._reading[0])
        self._reading = None

    def _log_damage(self, damage: Damage) -> None:
        self._log.warn("a dead trainer's spool is damaged", file=damage.file, what=damage.what)
