"""A recorded run whose events are folded when they fall due."""

import time
from collections import deque
from pathlib import Path
from typing import Literal

from esper_aggregator.fold.fold import fold
from esper_aggregator.fold.projection import project
from esper_aggregator.fold.run_state import RunState
from esper_aggregator.fold_checkpoints import find_whole_checkpoint
from esper_aggregator.past.stream_numbers import next_seqs
from esper_aggregator.replaying.recorded_clock import RecordedClock
from esper_bus.mcap.reader import OnDamage, ignore_damage
from esper_bus.records import RawRecord
from esper_bus.store.growing_run import Beginning, GrowingRun
from esper_bus.store.run_reader import run_name
from esper_schemas.codec import encode_snapshot
from esper_schemas.declarations import RunThresholds

Phase = Literal["seeking", "replaying", "following", "stopped"]
_READ_EVENTS = 256
_REFRESH_S = 0.1
_TIME_CHECK_EVENTS = 32


class ReplayedRun:
    """The events of a run directory or .mcap file, from position `first` on, up to `last` if it is given.

    Events before `first` are folded at once, from the last checkpoint before it on; those after it when
    `clock` says so, in later calls of `advance`; those that are added after the end of the recording, as soon
    as they are there. Raises `EsperError` if `path` cannot be read.
    """

    def __init__(
        self,
        path: Path,
        clock: RecordedClock,
        first: int = 0,
        last: int | None = None,
        *,
        given: RunThresholds | None = None,
        on_damage: OnDamage = ignore_damage,
    ) -> None:
        self.changed = True
        found = find_whole_checkpoint(path, first, given) if first and path.is_dir() else None
        self._state = found[0] if found else RunState(run=run_name(path), given=given)
        beginning = (
            Beginning.after(found[1], path, next_seqs(self._state, self._state.run)) if found else None
        )
        self._run = GrowingRun(path, on_damage, beginning)
        self._clock = clock
        if self._state.last_event_ns is not None:
            clock.take(self._state.last_event_ns, 0.0)
        self._first, self._last = first, last
        self._ahead: deque[RawRecord] = deque()
        self._refresh_at: float | None = None

    @property
    def name(self) -> str:
        """The name of the run."""
        return self._state.run

    @property
    def position(self) -> int:
        """The number of events that were folded."""
        return self._state.events_folded

    @property
    def phase(self) -> Phase:
        """What happens to the next event."""
        if self._last is not None and self.position >= self._last:
            return "stopped"
        if self._refresh_at is not None:
            return "following"
        return "seeking" if self.position < self._first else "replaying"

    def advance(self, now: float, until: float) -> list[RawRecord]:
        """Fold the events that are due, at most until the monotonic clock shows `until`; return them."""
        taken: list[RawRecord] = []
        while (record := self._next(now)) is not None and self._is_due(record, now):
            self._ahead.popleft()
            self._clock.take(record.received_ns, now)
            fold(self._state, record.decoded())
            taken.append(record)
            is_checked = len(taken) % _TIME_CHECK_EVENTS == 0
            if self.position == self._first or (is_checked and time.monotonic() >= until):
                break
        self.changed = self.changed or bool(taken)
        if self.phase == "stopped":
            self._clock.stop()
        return taken

    def snapshot(self) -> bytes:
        """Return the encoded snapshot of the events folded so far."""
        self.changed = False
        return encode_snapshot(project(self._state))

    def _is_due(self, record: RawRecord, now: float) -> bool:
        return self.phase == "seeking" or self._clock.due_at(record.received_ns, now) <= now

    def _next(self, now: float) -> RawRecord | None:
        """Return the next event; `None` behind the last one, and while there are no more."""
        if self.phase == "stopped":
            return None
        if not self._ahead:
            self._ahead += self._run.read(_READ_EVENTS)
        if not self._ahead and (self._refresh_at is None or now >= self._refresh_at):
            self._clock.follow(now)
            self._refresh_at = now + _REFRESH_S
            self._run.refresh()
        return self._ahead[0] if self._ahead else None
