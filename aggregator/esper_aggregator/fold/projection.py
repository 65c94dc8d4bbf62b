"""Projects the state of a run to a snapshot, which is everything that a screen shows."""

from collections.abc import Iterable, Iterator
from math import isfinite
from statistics import median

from msgspec import structs

from esper_aggregator.fold.event_list import event_entries
from esper_aggregator.fold.learner import metric_histories, project_tamiyo
from esper_aggregator.fold.logged_steps import with_open_steps_closed
from esper_aggregator.fold.own_scalars import merged_scalars, own_symptoms
from esper_aggregator.fold.run_state import ProducerState, RunState
from esper_aggregator.fold.size_limits import bounded_count
from esper_aggregator.fold.streaks import merged_symptoms
from esper_schemas.events import RunStarted
from esper_schemas.findings import Symptom
from esper_schemas.heads import HEADS
from esper_schemas.rules.diagnose import diagnose
from esper_schemas.snapshot import (
    EpisodesState,
    EscalationEntry,
    LinkHealth,
    RankState,
    RatioExplosionEntry,
    RunInfo,
    SanctumSnapshot,
    SlotsState,
)

MIN_ROLLOUTS = 5
"""Rollouts that a rank needs before the median of their times is shown."""

_PLAN_FIELDS = tuple(f for f in RunStarted.__struct_fields__ if f in RunInfo.__struct_fields__)
"""The fields that a run's information copies from its start event."""


def project(state: RunState) -> SanctumSnapshot:
    """Return the snapshot of a run after the events folded so far; the state stays as it is."""
    state = with_open_steps_closed(state)
    leader = leading_producer(state)
    learners = _learners(state, leader)
    snapshot = SanctumSnapshot(
        events_folded=state.events_folded,
        run=_run_info(state, leader),
        tamiyo=project_tamiyo(learners),
        histories=metric_histories(leader),
        ranks=tuple(_rank(producer) for producer in _by_rank(state)),
        anomalies=tuple(state.anomalies),
        anomaly_counts=dict(state.anomaly_counts),
        slots=_slots(state, leader),
        decisions=tuple(state.decisions),
        vitals=state.vitals,
        recent_events=event_entries(state.recent_events),
        log=tuple(state.log),
        log_counts=dict(state.log_counts),
        checkpoints=tuple(state.checkpoints),
        telemetry=_telemetry(state),
        ratio_explosions=_ratio_explosions(state),
        instabilities=tuple(state.instabilities),
        instability_totals=state.instability_totals,
        layer_gradients=leader.layer_gradients if leader else None,
        head_gradients=leader.head_gradients if leader else None,
        episodes=_episodes(leader),
        link=_link(state),
        symptoms=merged_symptoms(s for learner in learners for s in _symptoms(learner)),
        scalars=merged_scalars(learners, state.metric_specs),
        metric_specs=dict(state.metric_specs),
    )
    return structs.replace(snapshot, findings=tuple(diagnose(snapshot)))


def _symptoms(producer: ProducerState) -> Iterator[Symptom]:
    yield from producer.symptoms.symptoms()
    yield from own_symptoms(producer)


def leading_producer(state: RunState) -> ProducerState | None:
    """Return the producer whose plan and rollouts stand for the run: that of the lowest rank."""
    return next(iter(_by_rank(state)), None)


def _learners(state: RunState, leader: ProducerState | None) -> list[ProducerState]:
    """Return the producers whose updates make the learner's state: the leader alone, or one for each rank.

    Where a rank was restarted under another name, the producer of the latest event stands for it.
    """
    if leader is None or leader.started is None or leader.started.world_size <= 1:
        return [] if leader is None else [leader]
    started = [producer for producer in state.producers.values() if producer.started]
    started.sort(key=lambda p: (p.last_event_ns or 0, p.producer))
    return list({_rank_of(producer): producer for producer in started}.values())


def _by_rank(state: RunState) -> list[ProducerState]:
    """Return the producers by rank, then by name, in whichever order they arrived."""
    return sorted(state.producers.values(), key=lambda p: (_rank_of(p), p.producer))


def _rank_of(producer: ProducerState) -> int:
    return producer.started.rank if producer.started else 0


def _run_info(state: RunState, leader: ProducerState | None) -> RunInfo:
    started = leader.started if leader else None
    rollout = leader.rollout if leader else None
    finished = leader.finished if leader else None
    facts = RunInfo(
        run=state.run,
        started_ns=state.started_ns,
        last_event_ns=state.last_event_ns,
        outcome=finished.outcome if finished else None,
        reason=finished.reason if finished else "",
        env_steps_total=rollout.env_steps_total if rollout else None,
        steps_per_second=rollout.steps_per_second if rollout else None,
        mean_return=rollout.mean_return if rollout else None,
        mean_accuracy=rollout.mean_accuracy if rollout else None,
        rollbacks_total=_sum(p.rollbacks for p in state.producers.values()),
        returns_not_finite_total=_sum(p.returns_not_finite for p in state.producers.values()),
        mean_return_history=tuple([mean for _, mean in leader.returns]) if leader else (),
        mean_length=rollout.mean_length if rollout else None,
        last_step=leader.logged.last_step if leader else None,
        conventions=dict(leader.logged.conventions) if leader else {},
    )
    if started is None:
        return facts
    return structs.replace(facts, **{name: getattr(started, name) for name in _PLAN_FIELDS})


def _sum(counts: Iterable[int | None]) -> int | None:
    """Return the sum over the ranks that count something; `None` if none does."""
    known = [count for count in counts if count is not None]
    return bounded_count(sum(known)) if known else None


def _rank(producer: ProducerState) -> RankState:
    started, rollout = producer.started, producer.rollout
    return RankState(
        producer=producer.producer,
        epoch=producer.epoch,
        rank=_rank_of(producer),
        host=started.host if started else "",
        pid=started.pid if started else None,
        events=producer.events,
        updates=producer.updates,
        last_update=producer.last_update,
        last_event_ns=producer.last_event_ns,
        steps_per_second=rollout.steps_per_second if rollout else None,
        update_time_ms=producer.ppo_updates[-1].payload.update_time_ms if producer.ppo_updates else None,
        median_rollout_ms=_median_rollout_ms(producer),
        outcome=producer.finished.outcome if producer.finished else None,
    )


def _median_rollout_ms(producer: ProducerState) -> float | None:
    """Return the median time of the last rollouts, or `None` if there are too few."""
    times = [update.payload.rollout_time_ms for update in producer.ppo_updates]
    known = [ms for ms in times if ms is not None and isfinite(ms)]
    return median(known) if len(known) >= MIN_ROLLOUTS else None


def _slots(state: RunState, leader: ProducerState | None) -> SlotsState:
    rollout = leader.rollout if leader else None
    return SlotsState(
        stage_counts=rollout.stage_counts if rollout else (),
        changes=tuple(state.stage_changes),
    )


def _telemetry(state: RunState) -> tuple[EscalationEntry, ...]:
    return tuple(
        structs.replace(entry, active=producer.last_update < entry.escalation.until_update)
        for producer in _by_rank(state)
        if (entry := producer.escalation)
    )


def _ratio_explosions(state: RunState) -> tuple[RatioExplosionEntry, ...]:
    """Return those of Tamiyo's heads in their order, then those of other heads by name."""
    known = [head for head in HEADS if head in state.ratio_explosions]
    others = sorted(state.ratio_explosions.keys() - set(HEADS))
    return tuple(state.ratio_explosions[head] for head in (*known, *others))


def _episodes(leader: ProducerState | None) -> EpisodesState:
    if leader is None:
        return EpisodesState()
    return EpisodesState(
        completed=leader.episodes_completed,
        returns=tuple([episode.episode_return for episode in leader.episodes]),
        lengths=tuple([episode.length for episode in leader.episodes]),
        accuracies=tuple([episode.accuracy for episode in leader.episodes]),
    )


def _link(state: RunState) -> LinkHealth:
    return LinkHealth(
        events=state.events_folded,
        lag_ms=None if state.lag_ns is None else state.lag_ns / 1e6,
        gaps=state.gaps,
        duplicates=state.duplicates,
        dropped=state.dropped,
        rejected=state.rejected,
        unknown=state.unknown,
        left_out=state.left_out,
    )
