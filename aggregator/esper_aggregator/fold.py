"""The fold: one event after another becomes state. Pure and total.

No clock, no socket, no randomness: live, restart and replay run this same code over the same records,
so their states are equal at every point. Times come from the records. An event that cannot be folded
is counted and left out; nothing that arrives raises.
"""

import math
from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Any, TypedDict

from esper_aggregator.counts import bounded
from esper_aggregator.state import ProducerState, RunState
from esper_schemas import events as e
from esper_schemas.catalogue import head_field
from esper_schemas.codec import kind_of
from esper_schemas.collapse import collapse_risk_score
from esper_schemas.describe import describe
from esper_schemas.heads import HEADS
from esper_schemas.payload import PPOUpdatePayload
from esper_schemas.snapshot import AnomalyEntry, DecisionEntry, EventEntry, StageChangeEntry

FOLD_VERSION = 3
"""Raised whenever the same events fold to another state."""

QUIET_KINDS = (e.EpisodeCompleted, e.DecisionMade, e.SeedStageChanged, e.VitalsSampled)
"""Kinds that come in numbers and would drown the event list; the snapshot shows them elsewhere."""

_LATCHED_FAMILIES = ("entropy", "ratio_max", "grad_norm")
_LATCHED_HEADS = [head for family in _LATCHED_FAMILIES for head in HEADS]
_latched_values = attrgetter(*(head_field(head, family) for family in _LATCHED_FAMILIES for head in HEADS))


def fold(state: RunState, record: e.Record) -> RunState:
    """Fold one record into the state, in place; returns the state."""
    state.run = state.run or record.run
    state.events_folded += 1
    producer = _producer(state, record)
    expected = producer.next_seq.get(record.epoch, 0)
    if record.seq < expected:
        state.duplicates += 1
        return state
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


def _producer(state: RunState, record: e.Record) -> ProducerState:
    """The record's producer; an epoch that was not seen before is a restart of it."""
    producer = state.producers.get(record.producer)
    if producer is None:
        producer = state.producers[record.producer] = ProducerState(producer=record.producer)
    if record.epoch not in producer.next_seq:
        producer.epoch, producer.finished = record.epoch, None
    return producer


def _account(state: RunState, producer: ProducerState, record: e.Record) -> None:
    producer.next_seq[record.epoch] = record.seq + 1
    producer.events += 1
    producer.last_event_ns = state.last_event_ns = record.emitted_ns
    state.lag_ns = max(0, record.received_ns - record.emitted_ns)


def _apply(state: RunState, producer: ProducerState, record: e.Record) -> None:
    handler = _HANDLERS.get(type(record.event))
    if handler is not None:
        handler(state, producer, record, record.event)
    if not isinstance(record.event, QUIET_KINDS):
        state.recent_events.append(_event_entry(record))


def _event_entry(record: e.Record) -> EventEntry:
    return EventEntry(**_when(record), kind=kind_of(record.event), text=describe(record.event))


class _When(TypedDict):
    at_ns: int
    producer: str


def _when(record: e.Record) -> _When:
    return {"at_ns": record.emitted_ns, "producer": record.producer}


def _run_started(state: RunState, producer: ProducerState, record: e.Record, event: e.RunStarted) -> None:
    producer.started = event
    if state.started_ns is None:
        state.started_ns = record.emitted_ns


def _ppo_update_completed(
    state: RunState, producer: ProducerState, record: e.Record, event: e.PPOUpdateCompleted
) -> None:
    _latch(producer, event.payload)
    producer.ppo_updates.append(event)
    producer.updates += 1
    producer.last_update = event.update
    entropies = [update.payload.entropy_normalized for update in producer.ppo_updates]
    producer.collapse_risk = collapse_risk_score(entropies, producer.collapse_risk)
    state.watchlist.update_completed(producer.symptoms, event.update, event.payload)


def _latch(producer: ProducerState, payload: PPOUpdatePayload) -> None:
    """Remember for the rest of the run which heads ever measured NaN or infinity."""
    values = _latched_values(payload)
    if math.isfinite(sum(filter(None, values))):
        return  # one value that is not finite would have made the sum so
    for head, value in zip(_LATCHED_HEADS, values, strict=True):
        if value is not None and not math.isfinite(value):
            latch = producer.nan_latch if math.isnan(value) else producer.inf_latch
            latch[head] = True


def _rollout_completed(
    state: RunState, producer: ProducerState, record: e.Record, event: e.RolloutCompleted
) -> None:
    producer.rollout = event
    producer.returns.append(event.mean_return)
    baseline = producer.started.baseline_return if producer.started else None
    state.watchlist.rollout_completed(producer.symptoms, event, baseline)


def _decision_made(state: RunState, producer: ProducerState, record: e.Record, event: e.DecisionMade) -> None:
    state.decisions.append(DecisionEntry(**_when(record), decision=event))


def _seed_stage_changed(
    state: RunState, producer: ProducerState, record: e.Record, event: e.SeedStageChanged
) -> None:
    state.stage_changes.append(StageChangeEntry(**_when(record), change=event))


def _anomaly_detected(
    state: RunState, producer: ProducerState, record: e.Record, event: e.AnomalyDetected
) -> None:
    state.anomalies.append(AnomalyEntry(**_when(record), anomaly=event))


def _vitals_sampled(
    state: RunState, producer: ProducerState, record: e.Record, event: e.VitalsSampled
) -> None:
    state.vitals = event


def _events_dropped(
    state: RunState, producer: ProducerState, record: e.Record, event: e.EventsDropped
) -> None:
    state.dropped = bounded(state.dropped + max(0, event.count))


def _run_finished(state: RunState, producer: ProducerState, record: e.Record, event: e.RunFinished) -> None:
    producer.finished = event


def _unknown(state: RunState, producer: ProducerState, record: e.Record, event: e.Unknown) -> None:
    state.unknown += 1


def _undecodable(state: RunState, producer: ProducerState, record: e.Record, event: e.Undecodable) -> None:
    state.rejected += 1


_HANDLERS: dict[type, Callable[[RunState, ProducerState, e.Record, Any], None]] = {
    e.RunStarted: _run_started,
    e.PPOUpdateCompleted: _ppo_update_completed,
    e.RolloutCompleted: _rollout_completed,
    e.DecisionMade: _decision_made,
    e.SeedStageChanged: _seed_stage_changed,
    e.AnomalyDetected: _anomaly_detected,
    e.VitalsSampled: _vitals_sampled,
    e.EventsDropped: _events_dropped,
    e.RunFinished: _run_finished,
    e.Unknown: _unknown,
    e.Undecodable: _undecodable,
}
