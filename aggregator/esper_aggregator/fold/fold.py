"""The fold: turns the records of a run into its state, one after another.

It reads no clock and no file and draws no random numbers, so a live run, a restart and a replay of the
same records end in equal states. Times are those of the records. An event that cannot be folded is counted
and left out; no record makes the fold raise.
"""

from collections.abc import Iterable
from typing import assert_never

from msgspec import structs

from esper_aggregator.fold import logged_steps, own_scalars, reports, training
from esper_aggregator.fold.event_list import list_event, listed_update
from esper_aggregator.fold.losses import add_loss
from esper_aggregator.fold.observer import Origin, observer_of
from esper_aggregator.fold.own_heads import bounded_heads, declare
from esper_aggregator.fold.process_overlap import TRAINING_EVENTS, end_process, observe_process
from esper_aggregator.fold.run_state import KEPT_EPOCHS, KEPT_PRODUCERS, ProducerState, RunState
from esper_aggregator.fold.size_limits import MAX_NAME_LENGTH, bounded_count, bounded_event
from esper_schemas import events as e
from esper_schemas.event_text import VALUE_LEFT_OUT
from esper_schemas.rules.thresholds import checked

FOLD_VERSION = 14
"""Raised whenever the same events fold to another state."""


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
        _begin_epoch(state, producer, record)
    if record.seq < expected:
        state.duplicates += 1
        return state
    if record.seq != expected:
        state.gaps = bounded_count(state.gaps + record.seq - expected)
        add_loss(state, producer, "missing", record.seq - expected)
    _count(state, producer, record)
    try:
        _apply(state, producer, record)
    except Exception:  # no value of any field may stop the fold
        state.rejected += 1
        add_loss(state, producer, "rejected")
    return state


def fold_all(records: Iterable[e.Record], state: RunState | None = None) -> RunState:
    """Fold records in their order, into a fresh state unless one is given."""
    state = RunState() if state is None else state
    for record in records:
        fold(state, record)
    return state


def _new_producer(state: RunState, record: e.Record) -> ProducerState | None:
    """Add the producer of a record, or return None if there is no room for it."""
    if len(state.producers) >= KEPT_PRODUCERS or len(record.producer) > MAX_NAME_LENGTH:
        return None
    producer = state.producers[record.producer] = ProducerState(producer=record.producer)
    return producer


def _begin_epoch(state: RunState, producer: ProducerState, record: e.Record) -> None:
    """Follow a producer into an epoch that was not seen before: its process was restarted."""
    logged_steps.close_steps(state, producer)
    end_process(producer)
    if producer.next_seq and producer.is_trainer and state.last_event_ns is not None:
        state.paused_ns = bounded_count(state.paused_ns + max(record.emitted_ns - state.last_event_ns, 0))
    producer.epoch = record.epoch
    if len(producer.next_seq) >= KEPT_EPOCHS:
        del producer.next_seq[next(iter(producer.next_seq))]
        state.left_out += 1
    training.begin(producer)


def _count(state: RunState, producer: ProducerState, record: e.Record) -> None:
    emitted_ns = record.emitted_ns
    producer.next_seq[record.epoch] = record.seq + 1
    producer.events += 1
    producer.last_event_ns = emitted_ns
    if isinstance(record.event, e.Annotated):
        producer.notes += 1
        if not producer.is_trainer:
            return  # a note that is written later does not make the run last longer
    state.last_event_ns = emitted_ns
    lag_ns = record.received_ns - emitted_ns
    state.lag_ns = lag_ns if lag_ns > 0 else 0


def _apply(state: RunState, producer: ProducerState, record: e.Record) -> None:
    """Let an event change the state. It is late if a later process of its producer has begun before.

    The most frequent kinds come first, as each is compared with the kinds before it.
    """
    event = record.event
    late = record.epoch != producer.epoch
    if isinstance(event, TRAINING_EVENTS):
        observe_process(producer, record.epoch, record.emitted_ns)
    match event:
        case e.PPOUpdateCompleted():
            event = _update_completed(state, producer, record, event, late=late)
            state.recent_events.append(listed_update(record.emitted_ns, record.producer, event))
            return  # a snapshot makes its line of text, if it still shows it
        case e.EpisodeCompleted():
            training.episode_completed(producer, record.emitted_ns, event, late=late)
        case e.DecisionMade() | e.SeedStageChanged():
            reports.list_report(state, record, event)
        case e.ScalarsLogged():
            if not late:
                logged_steps.values_logged(state, producer, record, event)
        case e.RolloutCompleted():
            training.rollout_completed(state, producer, event, late=late)
            if (observer := observer_of(state)) is not None:
                observer.rollout_completed(_origin(state, producer, record, event.update), event)
        case e.RunStarted():
            _run_started(state, producer, record, event, late=late)
        case e.RunFinished():
            _run_finished(state, producer, event, late=late)
        case e.MetricDefined():
            own_scalars.metric_defined(state, event.metric)
        case e.VitalsSampled():
            if not late:
                producer.vitals = event
        case e.EventsDropped():
            state.dropped = bounded_count(state.dropped + max(0, event.count))
            add_loss(state, producer, "dropped", event.count)
        case e.Unknown():
            state.unknown += 1
        case e.Undecodable():
            state.rejected += 1
            add_loss(state, producer, "rejected")
        case e.LogRecorded() if event.message.startswith(VALUE_LEFT_OUT):
            add_loss(state, producer, "values")
            reports.list_report(state, record, event)
        case e.LogRecorded() | e.CheckpointSaved() | e.Annotated():
            reports.list_report(state, record, event)
        case e.AnomalyDetected() | e.NumericalInstabilityReported() | e.RatioExplosionDiagnosed():
            reports.fault_reported(state, record, event)
        case e.TelemetryEscalated() | e.LayerGradientsSampled() | e.HeadGradientsCompared():
            reports.keep_latest(producer, record, event, late=late)
        case _:
            assert_never(event)
    list_event(state.recent_events, record)


def _update_completed(
    state: RunState, producer: ProducerState, record: e.Record, event: e.PPOUpdateCompleted, *, late: bool
) -> e.PPOUpdateCompleted:
    if not late:
        logged_steps.close_steps(state, producer)
    event = training.update_completed(state, producer, event, late=late)
    if (observer := observer_of(state)) is not None:
        observer.update_completed(_origin(state, producer, record, event.update), event.payload)
    if event.payload.scalars and not late:
        own_scalars.record_scalars(state, producer, record, event.payload.scalars, None)
    return event


def _origin(state: RunState, producer: ProducerState, record: e.Record, update: int) -> Origin:
    return Origin(state.events_folded, producer, record.epoch, record.emitted_ns, update)


def _run_started(
    state: RunState, producer: ProducerState, record: e.Record, event: e.RunStarted, *, late: bool
) -> None:
    if not late:
        logged_steps.close_steps(state, producer)
        training.begin(producer)
        heads = bounded_heads(event.heads)
        if event.thresholds:  # a process that gives none keeps those of the run
            state.thresholds = checked(event.thresholds, [spec.name for spec in heads])
        producer.started = bounded_event(structs.replace(event, heads=heads, thresholds=""))
        producer.logged.resumed_from = event.resumed_from
        declare(producer, producer.started.heads)
    if state.started_ns is None or record.emitted_ns < state.started_ns:
        state.started_ns = record.emitted_ns  # whichever rank's start arrived first


def _run_finished(state: RunState, producer: ProducerState, event: e.RunFinished, *, late: bool) -> None:
    if not late:
        logged_steps.close_steps(state, producer)
        producer.finished = bounded_event(event)
