"""Folds the records of a run, and notes what finds its moments again."""

import time
from collections.abc import Callable, Iterable

from esper_aggregator.fold.fold import fold
from esper_aggregator.fold.run_state import RunState
from esper_aggregator.past.interval import Entry, Interval
from esper_aggregator.past.marks import MARKED, mark_of, most_severe
from esper_aggregator.past.update_progress import UpdateProgress
from esper_bus.records import RawRecord
from esper_schemas.events import Record
from esper_schemas.history import Mark, Place

SPACING_S = 0.03
"""The processor time of folding after which a checkpoint is due.

Reading the same records takes about a third of that, so that any moment is about 40 ms away.
"""
MOST_EVENTS = 5_000
"""The number of events after which a checkpoint is due, however cheap they are to fold."""
_HIGHEST = 1 << 62
MOST_MARKS_OF_INTERVAL = 64
"""The most marks that are kept of an interval; the most severe remain."""


class HistoryFold:
    """The fold of a run from some position on, and the interval since the last checkpoint.

    `clock` returns the processor time of this thread in seconds.
    """

    def __init__(
        self,
        state: RunState,
        progress: UpdateProgress | None = None,
        clock: Callable[[], float] = time.thread_time,
    ) -> None:
        self.state = state
        self.progress = progress or UpdateProgress()
        self._clock = clock
        self._begin_interval()

    @property
    def due(self) -> bool:
        """Whether folding since the last checkpoint has cost enough for another one."""
        new = self.state.events_folded - self._postponed
        return new > 0 and (self._cost_s >= SPACING_S or new >= MOST_EVENTS)

    def extend(self, records: Iterable[RawRecord]) -> None:
        """Fold records in their order."""
        began_s = self._clock()
        for raw in records:
            record = raw.decoded()
            fold(self.state, record)
            self._note(record)
        self._cost_s += self._clock() - began_s

    def interval(self) -> Interval:
        """Return the interval since the last checkpoint."""
        marks = most_severe(self._marks, MOST_MARKS_OF_INTERVAL)
        return Interval.of(self._begin, self.state.events_folded, self._entries, self._earliest_ns, marks)

    def end_interval(self) -> Interval:
        """Return the interval since the last checkpoint, as one is made here, and begin the next."""
        interval = self.interval()
        self._begin_interval()
        return interval

    def postpone(self) -> None:
        """Let the next checkpoint be due as if one had been made here."""
        self._postponed = self.state.events_folded
        self._cost_s = 0.0

    def _begin_interval(self) -> None:
        self._begin = self.state.events_folded
        self.postpone()
        self._entries: list[Entry] = []
        self._marks: list[Mark] = []
        self._earliest_ns: int | None = None

    def _note(self, record: Record) -> None:
        emitted_ns = min(record.emitted_ns, _HIGHEST)
        if self._earliest_ns is None or emitted_ns < self._earliest_ns:
            self._earliest_ns = emitted_ns
        before = self.progress.update
        update = self.progress.observe(self.state, record)
        if update != before and update is not None:
            self._entries.append(Entry(self.state.events_folded, update, emitted_ns))
        if type(record.event) in MARKED:
            place = Place(self.state.events_folded, update, emitted_ns)
            mark = mark_of(self.state, record, place)
            if mark is not None:
                self._add_mark(mark)

    def _add_mark(self, mark: Mark) -> None:
        self._marks.append(mark)
        if len(self._marks) >= 2 * MOST_MARKS_OF_INTERVAL:
            self._marks = list(most_severe(self._marks, MOST_MARKS_OF_INTERVAL))
