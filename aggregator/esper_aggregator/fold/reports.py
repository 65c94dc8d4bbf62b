"""What is kept of reports: the last ones of a kind, and how many there were."""

from typing import TypedDict, assert_never

from esper_aggregator.fold.run_state import ProducerState, RunState
from esper_aggregator.fold.size_limits import (
    MAX_NAME_LENGTH,
    MAX_NAMES,
    bounded_count,
    bounded_event,
    bounded_text,
)
from esper_schemas import events as e
from esper_schemas.snapshot import (
    AnomalyEntry,
    CheckpointEntry,
    DecisionEntry,
    EscalationEntry,
    HeadGradientsEntry,
    InstabilityEntry,
    InstabilityTotals,
    LayerGradientsEntry,
    LogEntry,
    NoteEntry,
    RatioExplosionEntry,
    StageChangeEntry,
)

SHOWN_LOG_LEVELS = frozenset({"warning", "error", "critical"})
"""The levels of a trainer's log whose lines are kept; the others are only counted."""


def list_report(
    state: RunState,
    record: e.Record,
    event: e.LogRecorded | e.CheckpointSaved | e.DecisionMade | e.SeedStageChanged | e.Annotated,
) -> None:
    """Append a report to the list of its kind."""
    match event:
        case e.DecisionMade():
            state.decisions.append(DecisionEntry(**_origin(record), decision=bounded_event(event)))
        case e.SeedStageChanged():
            state.stage_changes.append(StageChangeEntry(**_origin(record), change=event))
        case e.LogRecorded():
            _log_recorded(state, record, event)
        case e.CheckpointSaved():
            state.checkpoints.append(CheckpointEntry(**_origin(record), checkpoint=bounded_event(event)))
        case e.Annotated():
            state.notes.append(NoteEntry(**_origin(record), note=bounded_event(event)))
        case _:
            assert_never(event)


def fault_reported(
    state: RunState,
    record: e.Record,
    event: e.AnomalyDetected | e.NumericalInstabilityReported | e.RatioExplosionDiagnosed,
) -> None:
    """Keep a report of a fault in the training, and count it."""
    match event:
        case e.AnomalyDetected():
            state.anomalies.append(AnomalyEntry(**_origin(record), anomaly=bounded_event(event)))
            _count_name(state, state.anomaly_counts, event.anomaly)
        case e.NumericalInstabilityReported():
            _instability_reported(state, record, event)
        case e.RatioExplosionDiagnosed():
            _ratio_explosion_diagnosed(state, record, event)
        case _:
            assert_never(event)


def add_warning(state: RunState, record: e.Record, message: str) -> None:
    """Append a warning of the fold itself about a record to the log."""
    _log_recorded(state, record, e.LogRecorded(level="warning", message=message))


def keep_latest(
    producer: ProducerState,
    record: e.Record,
    event: e.TelemetryEscalated | e.LayerGradientsSampled | e.HeadGradientsCompared,
    *,
    late: bool,
) -> None:
    """Replace the report of its kind that a producer sent before; a late one is left out."""
    if late:
        return
    match event:
        case e.TelemetryEscalated():
            producer.escalation = EscalationEntry(**_origin(record), escalation=bounded_event(event))
        case e.LayerGradientsSampled():
            producer.layer_gradients = LayerGradientsEntry(**_origin(record), sample=bounded_event(event))
        case e.HeadGradientsCompared():
            producer.head_gradients = HeadGradientsEntry(**_origin(record), comparison=bounded_event(event))
        case _:
            assert_never(event)


def _log_recorded(state: RunState, record: e.Record, event: e.LogRecorded) -> None:
    _count_name(state, state.log_counts, event.level)
    if event.level not in SHOWN_LOG_LEVELS:
        return
    event = bounded_event(event)
    fields = "".join(f" {name}={value}" for name, value in event.fields.items())
    message = bounded_text(event.message + fields)
    state.log.append(LogEntry(**_origin(record), level=event.level, message=message))


def _instability_reported(state: RunState, record: e.Record, event: e.NumericalInstabilityReported) -> None:
    state.instabilities.append(InstabilityEntry(**_origin(record), report=bounded_event(event)))
    totals = state.instability_totals
    state.instability_totals = InstabilityTotals(
        reports=totals.reports + 1,
        nan_count=bounded_count(totals.nan_count + max(0, event.nan_count)),
        inf_count=bounded_count(totals.inf_count + max(0, event.inf_count)),
    )


def _ratio_explosion_diagnosed(state: RunState, record: e.Record, event: e.RatioExplosionDiagnosed) -> None:
    head = bounded_text(event.head, MAX_NAME_LENGTH)
    if head in state.ratio_explosions or len(state.ratio_explosions) < MAX_NAMES:
        entry = RatioExplosionEntry(**_origin(record), explosion=bounded_event(event))
        state.ratio_explosions[head] = entry
    else:
        state.left_out += 1


def _count_name(state: RunState, counts: dict[str, int], name: str) -> None:
    """Count a name among others, if there is room for one more."""
    name = bounded_text(name, MAX_NAME_LENGTH)
    if name in counts or len(counts) < MAX_NAMES:
        counts[name] = counts.get(name, 0) + 1
    else:
        state.left_out += 1


class _Origin(TypedDict):
    at_ns: int
    producer: str


def _origin(record: e.Record) -> _Origin:
    """When and by which producer an event was emitted, as every entry of a snapshot has it."""
    return {"at_ns": record.emitted_ns, "producer": record.producer}
