"""Turns the files of one log into one run: finds what is new in them, and writes it as events."""

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Literal, NamedTuple

import esper_lite
from esper_lite.importing.event_sinks import EventSink
from esper_lite.importing.numbers import step_number
from esper_lite.importing.recorded_position import IMPORTED_FROM, Recorded
from esper_lite.importing.rows import Facts, NotRead, Row
from esper_lite.importing.sources import Source
from esper_schemas.errors import Refused
from esper_schemas.events import RunFinished, RunStarted, ScalarsLogged

STEP_BACK = "places where the step goes back, as after a restart"
COPIES = "copies of other files"
SHORTER = "files with fewer values than are in the run"

_EVENT_VALUES = 1000
"""Values in one event: more, with long names, would exceed its maximum size."""
_FIRST_EVENTS = 100
"""Events that are read before the start of the run is recorded: settings may stand between them."""


class Totals(NamedTuple):
    """What was written into a run: rows, values, and the updates that the run has now.

    existed: whether there was something in the run before.
    """

    rows: int
    values: int
    updates: int
    existed: bool


class _Timed(NamedTuple):
    """An event and its time."""

    time_ns: int
    event: ScalarsLogged


class RunImport:
    """One run that is made from files. `open_sink` is called once there is something to write.

    refuse_rewritten: raise `Refused` for a file with other contents than those that are in the run; else
    these are recorded after them.
    """

    def __init__(
        self,
        run: str,
        origin: Path,
        recorded: Recorded,
        open_sink: Callable[[], EventSink],
        *,
        refuse_rewritten: bool,
    ) -> None:
        self.run, self.origin = run, origin
        self.facts, self.not_read = Facts(), NotRead()
        self.sources: list[Source] = []
        self._recorded, self._open_sink = recorded, open_sink
        self._known_files = frozenset(recorded.files)
        self._taken = _values_of(recorded)
        self._refuse_rewritten = refuse_rewritten
        self._sink: EventSink | None = None
        self._rows = self._values = 0
        self._latest_ns = self._not_before_ns = 0
        self._repeated: dict[str, int] = {}
        self._resumed_from: int | None = None
        self._steps = _steps_of(recorded)

    @property
    def totals(self) -> Totals:
        """What was written so far."""
        return Totals(self._rows, self._values, self._recorded.updates, self._recorded.exists)

    def read(self, *, final: bool) -> int:
        """Record the rows that were added to the files, in the order of their times; returns their number."""
        before, not_read = self._rows, self.not_read.copy()
        events = self._new_events(self._merged(final=final))
        if self._sink is None:
            first = list(islice(events, _FIRST_EVENTS))
            step = self._continued_step(first)
            if step is not None:
                self._repeat_step(step, not_read)
                events = self._new_events(self._merged(final=final))
                first = list(islice(events, _FIRST_EVENTS))
            if first:
                self._start(first[0].time_ns)
            for event in first:
                self._emit(event)
        for event in events:
            self._emit(event)
        if final:
            self._check_lengths()
        return self._rows - before

    def _continued_step(self, events: list[_Timed]) -> int | None:
        """The step that gets more values, although it was closed with the process before, if there is one."""
        last = {key: position.step for key, position in self._recorded.files.items()}
        steps = (event.step for _, event in events if event.step == last.get(event.source))
        return next((step for step in steps if step is not None), None)

    def _repeat_step(self, step: int, not_read: NotRead) -> None:
        """Read all values of the last step again."""
        self._repeated = self._recorded.repeat_step(step)
        self._resumed_from = self._recorded.updates
        self._taken = _values_of(self._recorded)
        self._rows = self._values = 0
        self._steps = _steps_of(self._recorded)
        self.not_read.restore(not_read)
        for source in self.sources:
            source.restart()

    def finish(self, outcome: Literal["completed", "interrupted"], reason: str) -> None:
        """Record the end of the run, if anything was recorded."""
        if self._sink is not None:
            finished = RunFinished(outcome=outcome, updates=self._recorded.updates, reason=reason)
            self._sink.emit(finished, self._latest_ns)
            self._sink.close()

    def _merged(self, *, final: bool) -> Iterator[tuple[Source, Row]]:
        """The new rows of all files by their times; each file's own order stays."""
        parts = [_with_source(source, source.rows(final=final)) for source in self.sources]
        return parts[0] if len(parts) == 1 else heapq.merge(*parts, key=_time)

    def _new_events(self, rows: Iterable[tuple[Source, Row]]) -> Iterator[_Timed]:
        """The events of the values that the run does not have."""
        for source, (time_ns, step, values) in rows:
            key = source.key
            step = self._episode_step(source, values, step)
            begin = source.passed
            source.passed += len(values)
            taken = self._taken.setdefault(key, 0)
            if begin < taken:
                values = self._after(source, key, values, taken - begin)
            if values:
                self._taken[key] = taken + len(values)
                self._note_step(source, key, step)
                self._rows += 1
                self._values += len(values)
                yield from (_Timed(time_ns or 0, event) for event in _events(values, step, key))

    def _after(self, source: Source, key: str, values: dict[str, float], known: int) -> dict[str, float]:
        """The values after those that are in the run, whose last one must be the one that was read."""
        if known <= len(values):
            name, value = next(islice(values.items(), known - 1, None))
            position = self._recorded.files.get(key)
            if position is not None and not position.may_be_last(name, value):
                self._rewritten(source)
                return {}
        return dict(islice(values.items(), known, None))

    def _rewritten(self, source: Source) -> None:
        if self._refuse_rewritten:
            raise Refused(
                f"{source.path} is not what the run {self.run} was made from; choose another name for the "
                "run."
            )
        source.begin_again()

    def _note_step(self, source: Source, key: str, step: int | None) -> None:
        if step is not None:
            if step < self._steps.get(key, step):
                self.not_read.add(STEP_BACK, source.path.name)
            self._steps[key] = step

    def _episode_step(self, source: Source, values: dict[str, float], step: int | None) -> int | None:
        """The steps of all environments so far, where each of several has a file of its episodes."""
        if source.log.is_monitor and sum(other.log.is_monitor for other in self.sources) > 1:
            source.episode_steps += step_number(values.get("episode_length", 0)) or 0
            return sum(other.episode_steps for other in self.sources)
        return step

    def _check_lengths(self) -> None:
        """Count the files that are copies of others, and those that have become shorter."""
        longest: dict[str, Source] = {}
        for source in sorted(self.sources, key=lambda source: -source.passed):
            if source.key in longest:
                self.not_read.add(COPIES, source.path.name)
            elif source.key:
                longest[source.key] = source
        for key, source in longest.items():
            if key in self._recorded.files and source.passed < self._recorded.files[key].values:
                self.not_read.add(SHORTER, source.path.name)

    def _start(self, time_ns: int) -> None:
        """Record the start, after all that earlier processes have recorded."""
        self._check_origin()
        self._sink = self._open_sink()
        if self._recorded.exists:
            self._not_before_ns = self._recorded.latest_ns + 1
        self._latest_ns = max(time_ns, self._not_before_ns)
        self._sink.emit(self._started(self._resumed_from, self._repeated), self._latest_ns)

    def _emit(self, timed: _Timed) -> None:
        emitted_ns = max(timed.time_ns, self._not_before_ns)
        self._latest_ns = max(self._latest_ns, emitted_ns)
        resumed_from = self._recorded.restart_before(timed.event)
        if self._sink is not None:
            if resumed_from is not None:  # a training that was resumed from a checkpoint
                started = self._started(resumed_from)
                self._recorded.start(started)
                self._sink.emit(started, emitted_ns)
            self._sink.emit(timed.event, emitted_ns)
        self._recorded.add(timed.event)

    def _check_origin(self) -> None:
        present = {source.identity for source in self.sources}
        if self._known_files and self._known_files.isdisjoint(present):
            raise Refused(
                f"The run {self.run} was made from another log than {self.origin}; choose another name for "
                "the run."
            )

    def _started(self, resumed_from: int | None, repeated: Mapping[str, int] = {}) -> RunStarted:
        config = {IMPORTED_FROM: str(self.origin), **self.facts.config, **repeated}
        seed = config.get("seed")
        return RunStarted(
            task=self.run,
            seed=seed if type(seed) is int else None,
            version=esper_lite.__version__,
            config=config,
            resumed_from=resumed_from,
        )


def _events(values: Mapping[str, float], step: int | None, key: str) -> Iterator[ScalarsLogged]:
    if len(values) <= _EVENT_VALUES:
        yield ScalarsLogged(values=dict(values), step=step, source=key)
        return
    items = iter(values.items())
    while part := dict(islice(items, _EVENT_VALUES)):
        yield ScalarsLogged(values={**part}, step=step, source=key)


def _values_of(recorded: Recorded) -> dict[str, int]:
    """The number of values of each file that are in the run."""
    return {key: position.values for key, position in recorded.files.items()}


def _steps_of(recorded: Recorded) -> dict[str, int]:
    """The last step of each file that is in the run."""
    return {key: position.step for key, position in recorded.files.items() if position.step is not None}


def _with_source(source: Source, rows: Iterator[Row]) -> Iterator[tuple[Source, Row]]:
    return ((source, row) for row in rows)


def _time(item: tuple[Source, Row]) -> int:
    return item[1].time_ns or 0
