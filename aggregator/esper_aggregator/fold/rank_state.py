"""Projects one producer to the numbers that are its own, unmerged."""

from math import isfinite
from operator import attrgetter
from statistics import median

from esper_aggregator.fold.process_overlap import processes
from esper_aggregator.fold.run_state import ProducerState
from esper_schemas.snapshot import RankState
from esper_schemas.state import HISTORY_METRICS

MIN_ROLLOUTS = 5
"""Rollouts that a rank needs before the median of their times is shown."""


def rank_state(producer: ProducerState) -> RankState:
    """Return what a snapshot shows of one trainer process."""
    started, rollout, updates = producer.started, producer.rollout, producer.ppo_updates
    measured = dict(zip(HISTORY_METRICS, _measured(updates[-1].payload), strict=True)) if updates else {}
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
        update_time_ms=updates[-1].payload.update_time_ms if updates else None,
        median_rollout_ms=_median_rollout_ms(producer),
        outcome=producer.finished.outcome if producer.finished else None,
        env_steps_total=rollout.env_steps_total if rollout else None,
        mean_return=rollout.mean_return if rollout else None,
        training_since_ns=producer.training_since_ns if started else None,
        training_since_update=producer.training_since_update,
        processes=processes(producer),
        **measured,
    )


def _median_rollout_ms(producer: ProducerState) -> float | None:
    """Return the median time of the last rollouts, or `None` if there are too few."""
    times = [update.payload.rollout_time_ms for update in producer.ppo_updates]
    known = [ms for ms in times if ms is not None and isfinite(ms)]
    return median(known) if len(known) >= MIN_ROLLOUTS else None


_measured = attrgetter(*HISTORY_METRICS)
