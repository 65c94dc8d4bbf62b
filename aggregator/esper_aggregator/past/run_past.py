"""The past of a recorded run: snapshots of any moment, and marks."""

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Mapping
from itertools import islice
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from esper_aggregator.fold.projection import project
from esper_aggregator.fold.run_state import RunState
from esper_aggregator.past.checkpoint_check import CheckedCheckpoints
from esper_aggregator.past.checkpoint_file import CheckpointReader, StoredCheckpoint
from esper_aggregator.past.cursor import Cursor, KeptStart, StoredStart
from esper_aggregator.past.history_fold import HistoryFold
from esper_aggregator.past.interval import (
    Interval,
    Span,
    interval_of_time,
    next_update,
    span_at,
    span_of_update,
)
from esper_aggregator.past.kept_past import CachedStart, FoldedPast, PastCache
from esper_aggregator.past.marks import finding_marks, most_severe, place_note
from esper_aggregator.past.steps import Steps
from esper_aggregator.past.stream_numbers import next_seqs
from esper_aggregator.past.update_progress import UpdateProgress
from esper_bus.mcap.event_channels import EventChannels
from esper_bus.mcap.reader import OnDamage, ignore_damage
from esper_bus.store.resumable_streams import FilePlaces, ResumableReader, ResumableStreams
from esper_bus.store.run_files import RunFiles
from esper_schemas.declarations import RunThresholds
from esper_schemas.history import AtEvent, AtTime, AtUpdate, Marks, Moment, PastSnapshot, Place

_STEP_EVENTS = 64
_MOST_STARTS = 1024
_MOST_SNAPSHOTS = 32
_KEPT_FROM = 10
"""The number of new states from which on a past is worth keeping in the cache: 0.3 s of folding."""


class _Content(NamedTuple):
    """Which file there is, and how large it is."""

    inode: int
    size: int

    def may_become(self, later: "_Content") -> bool:
        """Return whether a file with this content may have grown to a later one."""
        return self.inode == later.inode and self.size <= later.size


class RunPast:
    """The events of the files of one run, at any position; `open` it first, and again when it has grown.

    `run_dir` is where the log has its checkpoints, `None` for a file. `given` are thresholds that replace
    those of the run. `cache` keeps the past of a log that has no checkpoints. Positions count the events as
    `read_raw` returns them. Not thread-safe.
    """

    def __init__(
        self,
        run: str,
        run_dir: Path | None = None,
        given: RunThresholds | None = None,
        on_damage: OnDamage = ignore_damage,
        cache: PastCache | None = None,
    ) -> None:
        self._cache = cache
        self._run = run
        self._given = given
        self._on_damage = on_damage
        self._checkpoints = None if run_dir is None else CheckedCheckpoints(run_dir, given)
        self._files = RunFiles([], [], whole=True)
        self._contents: dict[Path, _Content] = {}
        self._reader: ResumableReader | None = None
        self._reading: ResumableReader | None = None
        self._begin()

    def _begin(self) -> None:
        self._end = HistoryFold(RunState(run=self._run, given=self._given))
        self._starts: list[StoredStart | KeptStart | CachedStart] = []
        self._intervals: list[Interval] = []
        self._cursor: Cursor | None = None
        self._snapshots: OrderedDict[int, PastSnapshot] = OrderedDict()
        self._new_starts = 0

    @property
    def events(self) -> int:
        """The number of events."""
        return self._end.state.events_folded

    @property
    def share_read(self) -> float:
        """The share of the files that was read, while they are opened."""
        size = sum(content.size for content in self._contents.values())
        offsets = self._reading.places.offsets.values() if self._reading else ()
        return min(1.0, sum(offsets) / size) if size else 0.0

    def open(self, files: RunFiles) -> Steps[None]:
        """Fold the events after the last checkpoint, or those that are new, and keep states on the way."""
        before, self._reader = self._reader, None  # until all events are folded
        if before is not None and self._can_continue(files):
            self._cursor = None
            self._intervals.pop()
            reader = before.again(self._on_damage)
        else:
            self._files, self._contents = files, _contents(files)
            self._begin()
            reader = yield from self._from_last_checkpoint()
        self._reading = reader
        yield from self._fold(reader)
        self._intervals.append(self._end.interval())
        self._reader, self._reading = reader, None
        self._keep_in_cache(reader)

    def growing(self) -> tuple[RunState, FilePlaces, Mapping[Path, EventChannels]]:
        """Return the state at the end, and where reading of the files goes on; after `open` only."""
        assert self._reader is not None
        return self._end.state, self._reader.places, self._reader.streams.channels

    def _can_continue(self, files: RunFiles) -> bool:
        """Return whether events can only have been added behind those that are folded.

        Spools beside a log, or of several producers, are merged: theirs may come before others.
        """
        ordered = _are_ordered(files)
        before, self._contents = self._contents, _contents(files)
        grown = all(before.get(path, now).may_become(now) for path, now in self._contents.items())
        return ordered and grown and files == self._files

    def _fold(self, reader: ResumableReader) -> Steps[None]:
        records = iter(reader)
        while batch := list(islice(records, _STEP_EVENTS)):
            self._end.extend(batch)
            if self._end.due:
                self._intervals.append(self._end.end_interval())
                self._keep(KeptStart.of(self._end.state, reader.streams, reader.places))
            yield

    def snapshot(self, moment: Moment) -> Steps[PastSnapshot]:
        """Return the snapshot of a moment; of the end if the moment is beyond it."""
        events = yield from self.position(moment)
        answer = self._snapshots.pop(events, None)
        if answer is None:
            state = yield from self.state_at(events)
            span = span_at(self._intervals, state.events_folded)
            place = Place(state.events_folded, span.update, state.last_event_ns)
            answer = PastSnapshot(place, project(state), next_update(self._intervals, span))
        self._snapshots[events] = answer
        if len(self._snapshots) > _MOST_SNAPSHOTS:
            self._snapshots.popitem(last=False)
        return answer

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
        while (rest := events - cursor.events) > 0:
            batch = list(islice(cursor.records, min(rest, _STEP_EVENTS)))
            if not batch:
                break  # the files have been changed since they were folded
            cursor.advance(batch)
            yield
        self._cursor = cursor
        return cursor.state

    def marks(self) -> Marks:
        """Return the marks of the run, and its extent."""
        marks = [place_note(mark, self._place_of_update) for one in self._intervals for mark in one.marks]
        findings = project(self._end.state).findings
        marks += finding_marks(findings, self._place_of_update)
        span = span_at(self._intervals, self.events)
        last = Place(self.events, span.update, self._end.state.last_event_ns)
        return Marks(self._first_place(), last, most_severe(marks))

    def _place_of_update(self, update: int) -> Place:
        return _place_of(span_of_update(self._intervals, update))

    def _first_place(self) -> Place:
        """Return where the first update begins; the beginning of the run if it has none."""
        first = next((interval.first for interval in self._intervals if interval.first), None)
        return Place(0) if first is None else Place(first.events, first.update, first.time_ns)

    def _keep_in_cache(self, reader: ResumableReader) -> None:
        """Keep what was folded, if it was much, and if it was all of the run."""
        starts = [start for start in self._starts if not isinstance(start, StoredStart)]
        if self._cache is not None and self._new_starts >= _KEPT_FROM and len(starts) == len(self._starts):
            sizes = {path: content.size for path, content in self._contents.items()}
            past = FoldedPast(starts, self._intervals, self._end, reader)
            self._cache.write(self._run, self._files, sizes, past)
            self._new_starts = 0

    def _keep(self, start: KeptStart) -> None:
        self._starts.append(start)
        self._new_starts += 1
        first = sum(isinstance(each, StoredStart) for each in self._starts)
        if len(self._starts) - first > _MOST_STARTS:
            self._starts[first:] = self._starts[first::2]

    def _from_last_checkpoint(self) -> Steps[ResumableReader]:
        """Return a reader of what follows the last usable checkpoint or the kept past, or of everything."""
        if self._checkpoints is not None:
            stored = yield from self._checkpoints.refresh(self._files.logs)
            for count in range(len(stored), 0, -1):
                state = self._checkpoints.reader.state(stored[count - 1])
                if state is not None and state.run == self._run:
                    return self._reader_after(stored[:count], self._checkpoints.reader, state)
        return self._reader_of_kept() or ResumableStreams(self._files).read(self._on_damage)

    def _reader_of_kept(self) -> ResumableReader | None:
        if self._cache is None:
            return None
        kept = self._cache.read(self._run, self._files, may_have_grown=_are_ordered(self._files))
        if kept is None:
            return None
        self._starts, self._intervals, self._end = list(kept.starts), list(kept.intervals), kept.fold
        return kept.reader.again(self._on_damage)

    def _reader_after(
        self, stored: list[StoredCheckpoint], reader: CheckpointReader, state: RunState
    ) -> ResumableReader:
        head, files = stored[-1].head, self._files
        self._starts = [StoredStart(each, reader, files) for each in stored]
        self._intervals = [each.head.interval for each in stored]
        self._end = HistoryFold(state, UpdateProgress(head.ranks, head.update))
        rest = files._replace(logs=files.logs[len(head.place.files) - 1 :])
        first = rest.logs[0]
        streams = ResumableStreams(rest, {first: EventChannels(head.place.channels)})
        places = FilePlaces({first: head.place.files[-1][1]}, next_seqs(state, self._run))
        return streams.read(self._on_damage, places)

    def _before(self, events: int) -> Cursor:
        """Return a cursor at the last state that is kept at or before a position, or at the beginning."""
        index = bisect_right(self._starts, events, key=attrgetter("events"))
        for start in reversed(self._starts[:index]):
            cursor = start.cursor()
            if cursor is not None:
                return cursor
        state = RunState(run=self._run, given=self._given)
        return Cursor(state, iter(ResumableStreams(self._files).read()))

    def _nearest(self, events: int) -> Cursor:
        """Return where folding up to a position begins: after the last question, or at a kept state."""
        cursor = self._cursor
        index = bisect_right(self._starts, events, key=attrgetter("events"))
        begin = self._starts[index - 1].events if index else 0
        if cursor is not None and begin <= cursor.events <= events:
            return cursor
        return self._before(events)

    def _position_of_time(self, time_ns: int) -> Steps[int]:
        interval = interval_of_time(self._intervals, time_ns)
        if interval is None:
            return 0
        cursor = self._before(interval.begin)
        position, found = cursor.events, 0
        while position < interval.end and (batch := list(islice(cursor.records, _STEP_EVENTS))):
            for record in batch:
                position += 1
                if record.emitted_ns <= time_ns and position <= interval.end:
                    found = position
            yield
        return found


def _place_of(span: Span) -> Place:
    return Place(span.last, span.update, span.time_ns)


def _are_ordered(files: RunFiles) -> bool:
    """Return whether new events can only come behind all others: logs alone, or one spool."""
    return not files.spools or len(files.spools) == 1 > len(files.logs)


def _contents(files: RunFiles) -> dict[Path, _Content]:
    status = {path: path.stat() for path in (*files.logs, *files.spools)}
    return {path: _Content(each.st_ino, each.st_size) for path, each in status.items()}
