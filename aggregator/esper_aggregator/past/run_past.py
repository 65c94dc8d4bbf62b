"""The past of a recorded run: snapshots of any moment, and marks."""

from bisect import bisect_right
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

import zstandard

from esper_aggregator.fold.projection import project
from esper_aggregator.fold.run_state import RunState
from esper_aggregator.fold.state_codec import decode_state, encode_state
from esper_aggregator.fold_checkpoints import next_seqs
from esper_aggregator.past.history_fold import HistoryFold
from esper_aggregator.past.interval import Interval, Span, interval_of_time, span_at, span_of_update
from esper_aggregator.past.marks import finding_marks, most_severe
from esper_aggregator.past.steps import Steps
from esper_bus.mcap.reader import OnDamage, ignore_damage
from esper_bus.records import RawRecord
from esper_bus.store.resumable_streams import FilePlaces, ResumableStreams
from esper_bus.store.run_files import RunFiles
from esper_schemas.declarations import RunThresholds
from esper_schemas.history import AtEvent, AtTime, AtUpdate, Marks, Moment, PastSnapshot, Place

_STEP_EVENTS = 64
_MOST_CHECKPOINTS = 1024
_MOST_STATE_BYTES = 256 * 1024 * 1024


class _Checkpoint(NamedTuple):
    """The state after `events` events, encoded and compressed, and where reading goes on from there."""

    events: int
    state: bytes
    places: FilePlaces


class _Cursor(NamedTuple):
    """A state, and the records of the run that follow."""

    state: RunState
    records: Iterator[RawRecord]


class RunPast:
    """The events of the files of one run, at any position; `open` it first.

    `given` are thresholds that replace those of the run. Positions count the events as `read_raw` returns
    them. Not thread-safe.
    """

    def __init__(
        self,
        run: str,
        files: RunFiles,
        given: RunThresholds | None = None,
        on_damage: OnDamage = ignore_damage,
    ) -> None:
        self._run = run
        self._given = given
        self._on_damage = on_damage
        self._streams = ResumableStreams(files)
        self._end = HistoryFold(RunState(run=run, given=given))
        self._checkpoints: list[_Checkpoint] = []
        self._intervals: list[Interval] = []
        self._cursor: _Cursor | None = None

    @property
    def events(self) -> int:
        """The number of events."""
        return self._end.state.events_folded

    def open(self) -> Steps[None]:
        """Fold all events, and keep checkpoints on the way."""
        reader = self._streams.read(self._on_damage)
        records = iter(reader)
        while batch := list(islice(records, _STEP_EVENTS)):
            self._end.extend(batch)
            if self._end.due:
                self._intervals.append(self._end.end_interval())
                self._keep(_Checkpoint(self.events, _packed(self._end.state), reader.places))
            yield
        self._intervals.append(self._end.interval())

    def snapshot(self, moment: Moment) -> Steps[PastSnapshot]:
        """Return the snapshot of a moment; of the end if the moment is beyond it."""
        events = yield from self.position(moment)
        state = yield from self.state_at(events)
        return PastSnapshot(self._place(state), project(state))

    def position(self, moment: Moment) -> Steps[int]:
        """Return the number of events at a moment."""
        match moment:
            case AtEvent(events):
                return min(events, self.events)
            case AtUpdate(update):
                return span_of_update(self._intervals, update).last
            case AtTime(time_ns):
                return (yield from self._position_of_time(time_ns))

    def state_at(self, events: int) -> Steps[RunState]:
        """Return the state after `events` events, which the next call may change."""
        if events >= self.events:
            return self._end.state
        cursor = self._nearest(events)
        self._cursor = None
        while (rest := events - cursor.state.events_folded) > 0:
            batch = list(islice(cursor.records, min(rest, _STEP_EVENTS)))
            if not batch:
                break  # the files have been changed since they were folded
            HistoryFold(cursor.state).extend(batch)
            yield
        self._cursor = cursor
        return cursor.state

    def marks(self) -> Marks:
        """Return the marks of the run, and its extent."""
        marks = [mark for interval in self._intervals for mark in interval.marks]
        findings = project(self._end.state).findings
        marks += finding_marks(findings, lambda update: _place_of(span_of_update(self._intervals, update)))
        return Marks(Place(0), self._place(self._end.state), most_severe(marks))

    def _place(self, state: RunState) -> Place:
        span = span_at(self._intervals, state.events_folded)
        return Place(state.events_folded, span.update, state.last_event_ns)

    def _keep(self, checkpoint: _Checkpoint) -> None:
        self._checkpoints.append(checkpoint)
        if len(self._checkpoints) > _MOST_CHECKPOINTS:
            self._checkpoints = self._checkpoints[::2]

    def _before(self, events: int) -> _Cursor:
        """Return the last checkpoint at or before a position, or the beginning."""
        index = bisect_right(self._checkpoints, events, key=lambda checkpoint: checkpoint.events)
        if not index:
            return _Cursor(RunState(run=self._run, given=self._given), iter(self._streams.read()))
        checkpoint = self._checkpoints[index - 1]
        state = decode_state(zstandard.decompress(checkpoint.state, _MOST_STATE_BYTES))
        seqs = next_seqs(state, self._run)
        return _Cursor(state, iter(self._streams.read(places=checkpoint.places, next_seqs=seqs)))

    def _nearest(self, events: int) -> _Cursor:
        """Return where folding up to a position begins: after the last question, or at a checkpoint."""
        cursor = self._cursor
        index = bisect_right(self._checkpoints, events, key=lambda checkpoint: checkpoint.events)
        begin = self._checkpoints[index - 1].events if index else 0
        if cursor is not None and begin <= cursor.state.events_folded <= events:
            return cursor
        return self._before(events)

    def _position_of_time(self, time_ns: int) -> Steps[int]:
        interval = interval_of_time(self._intervals, time_ns)
        if interval is None:
            return 0
        state, records = self._before(interval.begin)
        position = state.events_folded
        found = 0
        while position < interval.end and (batch := list(islice(records, _STEP_EVENTS))):
            for record in batch:
                position += 1
                if record.emitted_ns <= time_ns and position <= interval.end:
                    found = position
            yield
        return found


def _packed(state: RunState) -> bytes:
    return zstandard.compress(encode_state(state), 1)


def _place_of(span: Span) -> Place:
    return Place(span.last, span.update, span.time_ns)
