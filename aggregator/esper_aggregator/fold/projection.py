"""Projects the state of a run to a snapshot, which is everything that a screen shows."""

from collections.abc import Iterator

from msgspec import structs

from esper_aggregator.fold.event_list import event_entries
from esper_aggregator.fold.learner import metric_histories, project_tamiyo
from esper_aggregator.fold.logged_steps import with_open_steps_closed
from esper_aggregator.fold.losses import losses
from esper_aggregator.fold.own_scalars import merged_scalars, own_symptoms
from esper_aggregator.fold.rank_state import rank_state
from esper_aggregator.fold.run_ranks import RunRanks, producers_by_rank, run_ranks
from esper_aggregator.fold.run_state import ProducerState, RunState
from esper_aggregator.fold.run_totals import (
    baseline_return,
    environments,
    episodes,
    outcome,
    rollout_totals,
    stage_counts,
    total,
    vitals,
)
from esper_schemas.events import RunStarted
from esper_schemas.findings import Symptom
from esper_schemas.heads import HEADS
from esper_schemas.rules.diagnose import diagnose
from esper_schemas.rules.streaks import merged_symptoms
from esper_schemas.rules.watches import FLAT_RETURNS, FLAT_SPREAD
from esper_schemas.snapshot import (
    EscalationEntry,
    LinkHealth,
    RatioExplosionEntry,
    RunInfo,
    SanctumSnapshot,
    SlotsState,
)
from esper_schemas.verdict import verdict_of

_PLAN_FIELDS = tuple(f for f in RunStarted.__struct_fields__ if f in RunInfo.__struct_fields__)
"""The fields that a run's information copies from its start event."""


def project(state: RunState) -> SanctumSnapshot:
    """Return the snapshot of a run after the events folded so far; the state stays as it is."""
    state = with_open_steps_closed(state)
    ranks = run_ranks(state)
    leader = ranks.leader
    run = _run_info(state, ranks)
    snapshot = SanctumSnapshot(
        events_folded=state.events_folded,
        run=run,
        tamiyo=project_tamiyo(ranks.training, state.bounds),
        histories=metric_histories(ranks.training),
        ranks=tuple(rank_state(producer) for producer in producers_by_rank(state)),
        anomalies=tuple(state.anomalies),
        anomaly_counts=dict(state.anomaly_counts),
        slots=SlotsState(stage_counts=stage_counts(ranks), changes=tuple(state.stage_changes)),
        decisions=tuple(state.decisions),
        vitals=vitals(ranks),
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
        episodes=episodes(ranks),
        link=_link(state),
        symptoms=_symptoms(ranks, run.std_return),
        scalars=merged_scalars(ranks.training, state.metric_specs),
        metric_specs=dict(state.metric_specs),
        losses=losses(state),
        notes=tuple(state.notes),
    )
    diagnosed = structs.replace(snapshot, findings=tuple(diagnose(snapshot)))
    return structs.replace(diagnosed, verdict=verdict_of(diagnosed))


def _symptoms(ranks: RunRanks, std_return: float | None) -> tuple[Symptom, ...]:
    """Return the symptoms of all ranks, merged; those of some ranks only name them.

    Equal returns within each rank are none if the returns of the ranks differ from each other.
    """
    if len(ranks.started) == 1:
        return merged_symptoms(_own_symptoms(ranks.started[0]))
    named = (
        structs.replace(symptom, ranks=(rank.rank,))
        for rank in ranks.started
        for symptom in _own_symptoms(rank)
        if symptom.name != FLAT_RETURNS or std_return is None or not std_return > FLAT_SPREAD
    )
    return merged_symptoms(named, len(ranks.started))


def _own_symptoms(producer: ProducerState) -> Iterator[Symptom]:
    yield from producer.symptoms.symptoms()
    yield from own_symptoms(producer)


def _run_info(state: RunState, ranks: RunRanks) -> RunInfo:
    started = ranks.leader.started if ranks.leader else None
    plan = {name: getattr(started, name) for name in _PLAN_FIELDS} if started else {}
    if len(ranks.started) > 1:
        plan |= {"environments": environments(ranks), "baseline_return": baseline_return(ranks)}
    ended, reason = outcome(ranks)
    steps = [rank.logged.last_step for rank in ranks.started]
    return RunInfo(
        run=state.run,
        started_ns=state.started_ns,
        last_event_ns=state.last_event_ns,
        paused_ns=state.paused_ns,
        outcome=ended,
        reason=reason,
        rollbacks_total=total(p.rollbacks for p in state.producers.values()),
        returns_not_finite_total=total(p.returns_not_finite for p in state.producers.values()),
        last_step=max([step for step in steps if step is not None], default=None),
        conventions={k: v for rank in ranks.started for k, v in rank.logged.conventions.items()},
        **plan,
        **rollout_totals(ranks),
    )


def _telemetry(state: RunState) -> tuple[EscalationEntry, ...]:
    return tuple(
        structs.replace(entry, active=producer.last_update < entry.escalation.until_update)
        for producer in producers_by_rank(state)
        if (entry := producer.escalation)
    )


def _ratio_explosions(state: RunState) -> tuple[RatioExplosionEntry, ...]:
    """Return those of Tamiyo's heads in their order, then those of other heads by name."""
    known = [head for head in HEADS if head in state.ratio_explosions]
    others = sorted(state.ratio_explosions.keys() - set(HEADS))
    return tuple(state.ratio_explosions[head] for head in (*known, *others))


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
