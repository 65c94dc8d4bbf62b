"""Projects one producer to the numbers that are its own, unmerged."""

from math import isfinite
from statistics import median

from esper_aggregator.fold.process_overlap import processes
from esper_aggregator.fold.run_state import ProducerState
from esper_schemas.payload import PPOUpdatePayload
from esper_schemas.snapshot import RankState

MIN_ROLLOUTS = 5
"""Rollouts that a rank needs before the median of their times is shown."""

_NOT_MEASURED = PPOUpdatePayload()


def rank_state(producer: ProducerState) -> RankState:
    """Return what a snapshot shows of one trainer process."""
    started, rollout, updates = producer.started, producer.rollout, producer.ppo_updates
    last = updates[-1].payload if updates else _NOT_MEASURED
    return RankState(
        producer=producer.producer,
        epoch=producer.epoch,
        rank=producer.rank,
        host=started.host if started else "",
        pid=started.pid if started else None,
        events=producer.events,
        updates=producer.updates,
        last_update=producer.last_update,
        last_event_ns=producer.last_event_ns,
        steps_per_second=rollout.steps_per_second if rollout else None,
        update_time_ms=last.update_time_ms,
        median_rollout_ms=_median_rollout_ms(producer),
        outcome=producer.finished.outcome if producer.finished else None,
        env_steps_total=rollout.env_steps_total if rollout else None,
        mean_return=rollout.mean_return if rollout else None,
        training_since_ns=producer.training_since_ns if started else None,
        training_since_update=producer.training_since_update,
        processes=processes(producer),
        policy_loss=last.policy_loss,
        value_loss=last.value_loss,
        entropy=last.entropy,
        kl_divergence=last.kl_divergence,
        clip_fraction=last.clip_fraction,
        explained_variance=last.explained_variance,
        grad_norm=last.grad_norm,
    )


def _median_rollout_ms(producer: ProducerState) -> float | None:
    """Return the median time of the last rollouts, or `None` if there are too few."""
    times = [update.payload.rollout_time_ms for update in producer.ppo_updates]
    known = [ms for ms in times if ms is not None and isfinite(ms)]
    return median(known) if len(known) >= MIN_ROLLOUTS else None
