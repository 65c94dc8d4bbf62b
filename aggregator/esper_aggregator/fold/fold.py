"""The fold: one event after another becomes state. Pure and total.

No clock, no socket, no randomness: live, restart and replay run this same code over the same records,
so their states are equal at every point. Times come from the records. An event that cannot be folded
is counted and left out; nothing that arrives raises.
"""

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, TypedDict, TypeVar

from esper_aggregator.fold.non_finite import latch
from esper_aggregator.fold.run_state import KEPT_EPOCHS, KEPT_PRODUCERS, ProducerState, RunState
from esper_aggregator.fold.size_limits import LONGEST_NAME, MOST_NAMES, bounded, bounded_event, bounded_text
from esper_schemas import events as e
from esper_schemas.codec import kind_of
from esper_schemas.collapse import collapse_risk_score
from esper_schemas.drift import UsualNorm, gradient_drift
from esper_schemas.event_text import describe
from esper_schemas.snapshot import (
    AnomalyEntry,
    CheckpointEntry,
    DecisionEntry,
    EscalationEntry,
    EventEntry,
    HeadGradientsEntry,
    InstabilityEntry,
    InstabilityTotals,
    LayerGradientsEntry,
    LogEntry,
    RatioExplosionEntry,
    StageChangeEntry,
)

FOLD_VERSION = 6
"""Raised whenever the same events fold to another state."""

QUIET_KINDS = frozenset({e.EpisodeCompleted, e.DecisionMade, e.SeedStageChanged, e.VitalsSampled})
"""Kinds that come in numbers and would drown the event list; the snapshot shows them elsewhere."""

SHOWN_LOG_LEVELS = frozenset({"warning", "error", "critical"})
"""Other lines of a trainer's log are only counted."""

_Numbered = TypeVar("_Numbered")


def fold(state: RunState, record: e.Record) -> RunState:
    """Fold one record into the state, in place; returns the state."""
    state.run = state.run or record.run
    state.events_folded += 1
    producer = state.producers.get(record.producer) or _new_producer(state, record)
    if producer is None:
        state.left_out += 1
        return state
    expected = producer.next_seq.get(record.epoch)
    if expected is None:
        expected = 0
        _begin_epoch(state, producer, record.epoch)
    if record.seq < expected:
        state.duplicates += 1
        return state
    if record.seq != expected:
        state.gaps = bounded(state.gaps + record.seq - expected)
    _account(state, producer, record)
    try:
        _apply(state, producer, record)
    except Exception:  # a handler must never stop the fold, whatever a field holds
        state.rejected += 1
    return state


def fold_all(records: Iterable[e.Record], state: RunState | None = None) -> RunState:
    """Fold records in their order, onto a fresh state unless one is given."""
    state = RunState() if state is None else state
    for record in records:
        fold(state, record)
    return state


def _new_producer(state: RunState, record: e.Record) -> ProducerState | None:
    """A producer that was not heard of before, None where there is no room for more."""
    if len(state.producers) >= KEPT_PRODUCERS or len(record.producer) > LONGEST_NAME:
        return None
    producer = state.producers[record.producer] = ProducerState(producer=record.producer)
    return producer


def _begin_epoch(state: RunState, producer: ProducerState, epoch: int) -> None:
    """An epoch that was not seen before is a restart of the producer."""
    producer.epoch = epoch
    if len(producer.next_seq) >= KEPT_EPOCHS:
        del producer.next_seq[next(iter(producer.next_seq))]
        state.left_out += 1
    _begin_life(producer)


def _begin_life(producer: ProducerState) -> None:
    """A trainer begins, or resumes: its life before is over, and its histories wait to be continued."""
    producer.finished = producer.escalation = None
    producer.first_update = producer.first_rollout = True
    producer.episodes.clear()


def _is_late(producer: ProducerState, record: e.Record) -> bool:
    """Whether an event is of a former life, and says nothing about how the present one is."""
    return record.epoch != producer.epoch


def _keep_what_led_to(update: int, history: deque[_Numbered], number_of: Callable[[_Numbered], int]) -> None:
    """Leave of a history what came before an update, and nothing where others are missing in between."""
    while history and number_of(history[-1]) >= update:
        history.pop()
    if history and number_of(history[-1]) != update - 1:
        history.clear()


def _account(state: RunState, producer: ProducerState, record: e.Record) -> None:
    producer.next_seq[record.epoch] = record.seq + 1
    producer.events += 1
    producer.last_event_ns = state.last_event_ns = record.emitted_ns
    lag_ns = record.received_ns - record.emitted_ns
    state.lag_ns = lag_ns if lag_ns > 0 else 0


def _apply(state: RunState, producer: ProducerState, record: e.Record) -> None:
    kind = type(record.event)
    handler = _HANDLERS.get(kind)
    if handler is not None:
        handler(state, producer, record, record.event)
    if kind is e.PPOUpdateCompleted:
        state.recent_events.append(record)
    elif not (kind in QUIET_KINDS or _is_chatter(record.event)):
        state.recent_events.append(event_entry(record))


def _is_chatter(event: e.Event | e.Unknown | e.Undecodable) -> bool:
    return isinstance(event, e.LogRecorded) and event.level not in SHOWN_LOG_LEVELS


def event_entry(record: e.Record) -> EventEntry:
    """One line of the event list."""
    return EventEntry(
        at_ns=record.emitted_ns,
        producer=record.producer,
        kind=bounded_text(kind_of(record.event), LONGEST_NAME),
        text=bounded_text(describe(record.event)),
    )


def _count(state: RunState, counts: dict[str, int], name: str) -> None:
    """Count a name among others, as far as there is room for different ones."""
    name = bounded_text(name, LONGEST_NAME)
    if name in counts or len(counts) < MOST_NAMES:
        counts[name] = counts.get(name, 0) + 1
    else:
        state.left_out += 1


class _When(TypedDict):
    at_ns: int
    producer: str


def _when(record: e.Record) -> _When:
    return {"at_ns": record.emitted_ns, "producer": record.producer}


def _run_started(state: RunState, producer: ProducerState, record: e.Record, event: e.RunStarted) -> None:
    if not _is_late(producer, record):
        _begin_life(producer)
        producer.started = bounded_event(event)
    if state.started_ns is None:
        state.started_ns = record.emitted_ns


def _ppo_update_completed(
    state: RunState, producer: ProducerState, record: e.Record, event: e.PPOUpdateCompleted
) -> None:
    late = _is_late(producer, record)
    if producer.first_update and not late:
        _begin_updates(producer, event.update)
    if late or not state.watchlist.update_completed(producer.symptoms, event.update, event.payload):
        latch(producer.nan_latch, producer.inf_latch, event.payload)
    producer.updates += 1
    if late:
        return  # the latches and the count are of the whole run, histories of the present life
    producer.ppo_updates.append(event)
    producer.last_update = event.update
    entropies = [update.payload.entropy_normalized for update in producer.ppo_updates]
    producer.collapse_risk = collapse_risk_score(entropies, producer.collapse_risk)
    norm = event.payload.grad_norm_pre_clip
    producer.gradient_drift, producer.usual_norm = gradient_drift(norm, producer.usual_norm)


def _begin_updates(producer: ProducerState, update: int) -> None:
    """The first update of a life: it goes on with what is remembered only if that led to it."""
    producer.first_update, producer.collapse_risk = False, None
    _keep_what_led_to(update, producer.ppo_updates, lambda before: before.update)
    if update <= 1:
        producer.symptoms.begin_updates()
        producer.usual_norm = UsualNorm()


def _rollout_completed(
    state: RunState, producer: ProducerState, record: e.Record, event: e.RolloutCompleted
) -> None:
    producer.rollbacks = bounded(producer.rollbacks + max(0, event.rollbacks or 0))
    producer.returns_not_finite = bounded(producer.returns_not_finite + max(0, event.returns_not_finite or 0))
    if _is_late(producer, record):
        return
    if producer.first_rollout:
        producer.first_rollout = False
        _keep_what_led_to(event.update, producer.returns, lambda before: before[0])
        if event.update <= 1:
            producer.symptoms.begin_rollouts()
    producer.rollout = bounded_event(event)
    producer.returns.append((event.update, event.mean_return))
    baseline = producer.started.baseline_return if producer.started else None
    state.watchlist.rollout_completed(producer.symptoms, event, baseline)


def _episode_completed(
    state: RunState, producer: ProducerState, record: e.Record, event: e.EpisodeCompleted
) -> None:
    producer.episodes_completed += 1
    if not _is_late(producer, record):
        producer.episodes.append(event)


def _decision_made(state: RunState, producer: ProducerState, record: e.Record, event: e.DecisionMade) -> None:
    state.decisions.append(DecisionEntry(**_when(record), decision=bounded_event(event)))


def _seed_stage_changed(
    state: RunState, producer: ProducerState, record: e.Record, event: e.SeedStageChanged
) -> None:
    state.stage_changes.append(StageChangeEntry(**_when(record), change=event))


def _anomaly_detected(
    state: RunState, producer: ProducerState, record: e.Record, event: e.AnomalyDetected
) -> None:
    state.anomalies.append(AnomalyEntry(**_when(record), anomaly=bounded_event(event)))
    _count(state, state.anomaly_counts, event.anomaly)


def _telemetry_escalated(
    state: RunState, producer: ProducerState, record: e.Record, event: e.TelemetryEscalated
) -> None:
    if not _is_late(producer, record):
        producer.escalation = EscalationEntry(**_when(record), escalation=bounded_event(event))


def _ratio_explosion_diagnosed(
    state: RunState, producer: ProducerState, record: e.Record, event: e.RatioExplosionDiagnosed
) -> None:
    head = bounded_text(event.head, LONGEST_NAME)
    if head in state.ratio_explosions or len(state.ratio_explosions) < MOST_NAMES:
        state.ratio_explosions[head] = RatioExplosionEntry(**_when(record), explosion=bounded_event(event))
    else:
        state.left_out += 1


def _numerical_instability_reported(
    state: RunState, producer: ProducerState, record: e.Record, event: e.NumericalInstabilityReported
) -> None:
    state.instabilities.append(InstabilityEntry(**_when(record), report=bounded_event(event)))
    totals = state.instability_totals
    state.instability_totals = InstabilityTotals(
        reports=totals.reports + 1,
        nan_count=bounded(totals.nan_count + max(0, event.nan_count)),
        inf_count=bounded(totals.inf_count + max(0, event.inf_count)),
    )


def _layer_gradients_sampled(
    state: RunState, producer: ProducerState, record: e.Record, event: e.LayerGradientsSampled
) -> None:
    if not _is_late(producer, record):
        producer.layer_gradients = LayerGradientsEntry(**_when(record), sample=bounded_event(event))


def _head_gradients_compared(
    state: RunState, producer: ProducerState, record: e.Record, event: e.HeadGradientsCompared
) -> None:
    if not _is_late(producer, record):
        producer.head_gradients = HeadGradientsEntry(**_when(record), comparison=bounded_event(event))


def _checkpoint_saved(
    state: RunState, producer: ProducerState, record: e.Record, event: e.CheckpointSaved
) -> None:
    state.checkpoints.append(CheckpointEntry(**_when(record), checkpoint=bounded_event(event)))


def _log_recorded(state: RunState, producer: ProducerState, record: e.Record, event: e.LogRecorded) -> None:
    _count(state, state.log_counts, event.level)
    if event.level in SHOWN_LOG_LEVELS:
        event = bounded_event(event)
        fields = "".join(f" {name}={value}" for name, value in event.fields.items())
        message = bounded_text(event.message + fields)
        state.log.append(LogEntry(**_when(record), level=event.level, message=message))


def _vitals_sampled(
    state: RunState, producer: ProducerState, record: e.Record, event: e.VitalsSampled
) -> None:
    state.vitals = event


def _events_dropped(
    state: RunState, producer: ProducerState, record: e.Record, event: e.EventsDropped
) -> None:
    state.dropped = bounded(state.dropped + max(0, event.count))


def _run_finished(state: RunState, producer: ProducerState, record: e.Record, event: e.RunFinished) -> None:
    if not _is_late(producer, record):
        producer.finished = bounded_event(event)


def _unknown(state: RunState, producer: ProducerState, record: e.Record, event: e.Unknown) -> None:
    state.unknown += 1


def _undecodable(state: RunState, producer: ProducerState, record: e.Record, event: e.Undecodable) -> None:
    state.rejected += 1


_HANDLERS: dict[type, Callable[[RunState, ProducerState, e.Record, Any], None]] = {
    e.RunStarted: _run_started,
    e.PPOUpdateCompleted: _ppo_update_completed,
    e.RolloutCompleted: _rollout_completed,
    e.EpisodeCompleted: _episode_completed,
    e.DecisionMade: _decision_made,
    e.SeedStageChanged: _seed_stage_changed,
    e.AnomalyDetected: _anomaly_detected,
    e.TelemetryEscalated: _telemetry_escalated,
    e.RatioExplosionDiagnosed: _ratio_explosion_diagnosed,
    e.NumericalInstabilityReported: _numerical_instability_reported,
    e.LayerGradientsSampled: _layer_gradients_sampled,
    e.HeadGradientsCompared: _head_gradients_compared,
    e.VitalsSampled: _vitals_sampled,
    e.CheckpointSaved: _checkpoint_saved,
    e.LogRecorded: _log_recorded,
    e.EventsDropped: _events_dropped,
    e.RunFinished: _run_finished,
    e.Unknown: _unknown,
    e.Undecodable: _undecodable,
}
