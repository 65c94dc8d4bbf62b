"""Folds recordings update by update, as an aggregator would, and says what is found when."""

import copy
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.verdicts.recording_file import SUFFIX, Recording, read_recording
from benchmarks.verdicts.table import Half, half_of
from msgspec import structs

from esper_aggregator.fold.fold import fold
from esper_aggregator.fold.projection import project
from esper_aggregator.fold.run_state import RunState
from esper_schemas.events import DecodedEvent, PPOUpdateCompleted, Record, RunFinished
from esper_schemas.findings import Finding
from esper_schemas.snapshot import SanctumSnapshot


class Alarm(NamedTuple):
    """A finding that was not there after the update before."""

    update: int
    finding: Finding


class ReplayedRun(NamedTuple):
    """A recording, its healthy twin if it has a fault, and the alarms in its own updates.

    present: rules and heads that were found already before its first update.
    """

    recording: Recording
    twin: Recording | None
    alarms: tuple[Alarm, ...]
    present: frozenset[tuple[str, str | None]]


class Replay:
    """The fold of one run."""

    def __init__(self) -> None:
        self._state, self._events = RunState(), 0

    def copy(self) -> "Replay":
        """An independent fold of the same events."""
        return copy.deepcopy(self)

    @property
    def snapshot(self) -> SanctumSnapshot:
        """What a screen would show now."""
        return project(self._state)

    def fold(self, events: Iterable[DecodedEvent]) -> tuple[Finding, ...]:
        """Fold events; return the findings after them."""
        for event in events:
            number, self._events = self._events, self._events + 1
            fold(
                self._state,
                Record(
                    run="run",
                    producer="trainer:0",
                    epoch=1,
                    seq=number,
                    emitted_ns=number,
                    received_ns=number,
                    event=_with_fields_of_the_catalogue(event),
                ),
            )
        return self.snapshot.findings


def read_halves(directory: Path, halves: Collection[Half]) -> list[Recording]:
    """Read the recordings of some halves, in the order of their names."""
    recordings = map(read_recording, sorted(directory.glob(f"*{SUFFIX}")))
    return [recording for recording in recordings if half_of(recording.seed) in halves]


def replay_all(recordings: Sequence[Recording]) -> Iterator[ReplayedRun]:
    """Fold recordings; a faulty one is folded after the updates of its twin before it."""
    for twin in [recording for recording in recordings if not recording.twin]:
        name = f"{twin.trainer}-{twin.task}-{twin.seed}"
        yield from replay(twin, [recording for recording in recordings if recording.twin == name])


def replay(twin: Recording, faulty: Iterable[Recording]) -> Iterator[ReplayedRun]:
    """Fold a healthy training, and those that branch off from it."""
    by_begin: dict[int, list[Recording]] = {}
    for recording in faulty:
        by_begin.setdefault(recording.begins, []).append(recording)
    fold_of_twin, alarms = Replay(), []
    before: frozenset[tuple[str, str | None]] = frozenset()
    for update, events in by_update(twin):
        for recording in by_begin.get(update, ()):
            yield _replay_fault(recording, twin, fold_of_twin.copy(), before)
        findings = fold_of_twin.fold(events)
        alarms += [Alarm(update, finding) for finding in findings if _identity(finding) not in before]
        before = frozenset(map(_identity, findings))
    yield ReplayedRun(twin, None, tuple(alarms), frozenset())


def _replay_fault(
    recording: Recording, twin: Recording, fold_of_run: Replay, present: frozenset[tuple[str, str | None]]
) -> ReplayedRun:
    alarms, before = [], present
    for update, events in by_update(recording):
        findings = fold_of_run.fold(events)
        alarms += [Alarm(update, finding) for finding in findings if _identity(finding) not in before]
        before = frozenset(map(_identity, findings))
    return ReplayedRun(recording, twin, tuple(alarms), present)


def by_update(recording: Recording) -> Iterator[tuple[int, list[DecodedEvent]]]:
    """Yield the events of each update; those of the last one include how a failed training ended."""
    places = [0, *recording.marks]
    for number, update in enumerate(recording.updates):
        events = recording.events[places[number] : places[number + 1]]
        if recording.ended and update == recording.updates[-1]:
            events = [*events, RunFinished(outcome="failed", updates=update, reason=recording.ended)]
        yield update, events


def _identity(finding: Finding) -> tuple[str, str | None]:
    return finding.rule, finding.head


def _with_fields_of_the_catalogue(event: DecodedEvent) -> DecodedEvent:
    """An update whose own scalars are fields of the payload where the catalogue has them by now."""
    if not isinstance(event, PPOUpdateCompleted) or not event.payload.scalars:
        return event
    known = {n: v for n, v in event.payload.scalars.items() if n in event.payload.__struct_fields__}
    others = {name: value for name, value in event.payload.scalars.items() if name not in known}
    return structs.replace(event, payload=structs.replace(event.payload, scalars=others, **known))
