"""Marks: what happened in a run, and where."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from msgspec import structs

from esper_aggregator.fold.run_state import RunState
from esper_aggregator.fold.size_limits import bounded_text
from esper_schemas import events as e
from esper_schemas.findings import Finding
from esper_schemas.history import MOST_MARKS, Mark, Place

MARKED: Final = frozenset({e.AnomalyDetected, e.Annotated, e.CheckpointSaved, e.RunStarted, e.RunFinished})
"""The kinds of events of which some are marks."""
_TITLE_LENGTH = 120
_SEVERITIES = ("critical", "warning", "notice", None)


def mark_of(state: RunState, record: e.Record, place: Place) -> Mark | None:
    """Return the mark of an event that was folded into `state` just now; `None` if it is none."""
    match record.event:
        case e.AnomalyDetected() as anomaly:
            return _anomaly(anomaly, place)
        case e.Annotated(text=text, update=update):
            about = place if update is None else structs.replace(place, update=update)
            return Mark(place=about, kind="note", title=_title(text))
        case e.CheckpointSaved(update=update):
            return Mark(place=place, kind="checkpoint", title=f"checkpoint of update {update}")
        case e.RunStarted(resumed_from=update) if _is_restart(state, record):
            since = "" if update is None else f", resumed from update {update}"
            return Mark(place=place, kind="restart", title=_title(f"{record.producer} started again{since}"))
        case e.RunFinished(outcome="failed", reason=reason) if reason.startswith(("Rank ", "Ranks ")):
            return Mark(place=place, kind="rank_lost", title=_title(reason), severity="critical")
    return None


def finding_marks(findings: Iterable[Finding], place_of: Callable[[int], Place]) -> list[Mark]:
    """Return the marks of the onsets of findings; `place_of` returns the place of an update."""
    return [
        Mark(
            place=place_of(finding.since_update),
            kind="finding",
            title=_title(finding.title),
            severity=finding.severity,
            rule=finding.rule,
        )
        for finding in findings
    ]


def place_note(mark: Mark, place_of: Callable[[int], Place]) -> Mark:
    """Return a mark; that of a note at the update that it is about, instead of where it was written."""
    if mark.kind != "note" or mark.place.update is None:
        return mark
    return structs.replace(mark, place=place_of(mark.place.update))


def most_severe(marks: Sequence[Mark], limit: int = MOST_MARKS) -> tuple[Mark, ...]:
    """Return at most `limit` marks in the order of their places: notes and the most severe ones remain."""
    ordered = sorted(marks, key=lambda mark: mark.place.events)
    if len(ordered) <= limit:
        return tuple(ordered)
    kept = sorted(range(len(ordered)), key=lambda index: _rank(ordered[index]))[:limit]
    return tuple(ordered[index] for index in sorted(kept))


def _rank(mark: Mark) -> int:
    return -1 if mark.kind == "note" else _SEVERITIES.index(mark.severity)


def _anomaly(anomaly: e.AnomalyDetected, place: Place) -> Mark:
    head = f" of {anomaly.head}" if anomaly.head else ""
    title = _title(anomaly.anomaly.replace("_", " ") + head)
    return Mark(place=place, kind="anomaly", title=title, severity=anomaly.severity)


def _is_restart(state: RunState, record: e.Record) -> bool:
    """Return whether a process began after another one of its producer, or goes on from an update."""
    producer = state.producers.get(record.producer)
    return producer is not None and producer.epoch == record.epoch and len(producer.next_seq) > 1


def _title(text: str) -> str:
    return bounded_text(text, _TITLE_LENGTH)
