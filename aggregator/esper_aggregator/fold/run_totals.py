"""The numbers of a run from those of its ranks: rollouts, episodes, outcome, and use of the machine.

Each rank reports what it did itself. Counts and speeds are summed; means are weighted by the environments of
the ranks, or not weighted if any rank has not given them. Means are of the newest update that all ranks have
collected, so that no number is of some ranks only; if there is none among the last ones, of each rank's last.
"""

from collections.abc import Iterable, Iterator, Sequence
from heapq import merge
from itertools import islice, zip_longest
from operator import attrgetter
from typing import Any, NamedTuple

from esper_aggregator.fold.rank_reduction import (
    common_updates,
    pooled_deviation,
    reduce_values,
    weighted_mean,
)
from esper_aggregator.fold.run_ranks import RunRanks
from esper_aggregator.fold.run_state import KEPT_EPISODES, ProducerState, TimedEpisode
from esper_aggregator.fold.size_limits import bounded_count
from esper_schemas.events import RolloutCompleted, VitalsSampled
from esper_schemas.metrics.metric import Reduction
from esper_schemas.snapshot import EpisodesState
from esper_schemas.state import History


class _Collected(NamedTuple):
    """A rollout of one rank, and the weight of its means."""

    rollout: RolloutCompleted
    weight: float


def rollout_totals(ranks: RunRanks) -> dict[str, Any]:
    """Return the fields of a run's information that follow from the rollouts of its ranks."""
    if len(ranks.started) < 2:
        return _of_one(ranks.leader)
    means = _newest(ranks.training)
    totals = [rank.rollout.env_steps_total for rank in ranks.started if rank.rollout]
    speeds = [rank.rollout.steps_per_second for rank in ranks.training if rank.rollout]
    return {
        "env_steps_total": total(totals),
        "steps_per_second": reduce_values(Reduction.SUM, speeds),
        "mean_return": weighted_mean((rollout.mean_return, weight) for rollout, weight in means),
        "std_return": pooled_deviation((r.mean_return, r.std_return, weight) for r, weight in means),
        "mean_length": weighted_mean((rollout.mean_length, weight) for rollout, weight in means),
        "mean_accuracy": weighted_mean((rollout.mean_accuracy, weight) for rollout, weight in means),
        "mean_return_history": _returns(ranks.training),
    }


def stage_counts(ranks: RunRanks) -> tuple[int, ...]:
    """Return the slots of all ranks by stage, in the newest update that all of them have collected."""
    if len(ranks.started) < 2:
        return ranks.leader.rollout.stage_counts if ranks.leader and ranks.leader.rollout else ()
    counts = [rollout.stage_counts for rollout, _ in _newest(ranks.training)]
    return tuple([bounded_count(sum(stage)) for stage in zip_longest(*counts, fillvalue=0)])


def environments(ranks: RunRanks) -> int | None:
    """Return the environments of all ranks.

    Trainers of version 0.1 gave the number of the whole run on each rank.
    """
    started = [rank.started for rank in ranks.started if rank.started]
    if started and started[0].version.startswith("0.1."):
        return started[0].environments
    return total(plan.environments for plan in started)


def baseline_return(ranks: RunRanks) -> float | None:
    """Return the mean baseline return of the ranks, weighted like the mean return."""
    plans = [rank.started for rank in ranks.started]
    return weighted_mean(
        (plan.baseline_return, weight)
        for plan, weight in zip(plans, _weights(ranks.started), strict=True)
        if plan
    )


def episodes(ranks: RunRanks) -> EpisodesState:
    """Return the number of episodes of all ranks, and their last ones in the order of time."""
    recent = [episode for _, episode in _recent_episodes(ranks.started)]
    return EpisodesState(
        completed=sum(rank.episodes_completed for rank in ranks.started),
        returns=tuple([episode.episode_return for episode in recent]),
        lengths=tuple([episode.length for episode in recent]),
        accuracies=tuple([episode.accuracy for episode in recent]),
    )


def outcome(ranks: RunRanks) -> tuple[str | None, str]:
    """Return how the run has ended, and why: None until all ranks have ended, unless one has failed.

    A failure is passed over if another rank has begun to train since, as that is of an earlier attempt.
    """
    if len(ranks.started) < 2:
        end = ranks.leader.finished if ranks.leader else None
        return (end.outcome, end.reason) if end else (None, "")
    began_ns = max((rank.training_since_ns or 0 for rank in ranks.started), default=0)
    ends = [(rank.finished, (rank.last_event_ns or 0) >= began_ns) for rank in ranks.started]
    for end, is_present in ends:
        if end and end.outcome == "failed" and is_present:
            return end.outcome, end.reason
    known = [rank.finished for rank in ranks.training if rank.finished]
    if not known or len(known) < len(ranks.training):
        return None, ""
    worst = min(known, key=lambda end: _OUTCOMES.index(end.outcome))
    return worst.outcome, worst.reason


def vitals(ranks: RunRanks) -> VitalsSampled | None:
    """Return the use of all machines: memory is summed, the share of a GPU's time a mean over the ranks.

    The shares of a host's cores are summed, and their mean over the hosts is taken.
    """
    sampled = [(rank, rank.vitals) for rank in ranks.training if rank.vitals]
    if len(sampled) < 2:
        return sampled[0][1] if sampled else None
    samples = [sample for _, sample in sampled]
    return VitalsSampled(
        cpu_share=_cpu_share(sampled),
        memory_bytes=total(sample.memory_bytes for sample in samples),
        gpu_share=reduce_values(Reduction.MEAN, [sample.gpu_share for sample in samples]),
        gpu_memory_bytes=total(sample.gpu_memory_bytes for sample in samples),
        gpu_memory_peak_bytes=total(sample.gpu_memory_peak_bytes for sample in samples),
    )


def total(counts: Iterable[int | None]) -> int | None:
    """Return the sum over the ranks that count something; `None` if none does."""
    known = [count for count in counts if count is not None]
    return bounded_count(sum(known)) if known else None


def _of_one(rank: ProducerState | None) -> dict[str, Any]:
    """Return the fields for a run of one rank, which are its own."""
    if rank is None or not rank.rollouts:
        return {}
    own = dict(zip(_OWN, _read_own(rank.rollouts[-1]), strict=True))
    return own | {"mean_return_history": tuple([mean_return for _, mean_return in rank.returns])}


def _newest(ranks: Sequence[ProducerState]) -> list[_Collected]:
    """Return a rollout of each rank: those of the newest update that all of them have collected."""
    collecting = [rank for rank in ranks if rank.rollouts]
    last = [rank.rollouts[-1] for rank in collecting]
    if len({rollout.update for rollout in last}) > 1:
        by_update = [{rollout.update: rollout for rollout in rank.rollouts} for rank in collecting]
        last = (common_updates(by_update) or [last])[-1]
    return list(map(_Collected, last, _weights(collecting)))


def _weights(ranks: Sequence[ProducerState]) -> list[float]:
    """Return the environments of each rank, or 1 for all ranks if any of them has not given them."""
    counts = [(rank.started.environments if rank.started else None) or 0 for rank in ranks]
    return [float(count) for count in counts] if all(count > 0 for count in counts) else [1.0] * len(ranks)


def _returns(ranks: Sequence[ProducerState]) -> History:
    """Return the mean returns of the last updates that all ranks have collected."""
    collecting = [rank for rank in ranks if rank.returns]
    weights = _weights(collecting)
    common = common_updates([dict(rank.returns) for rank in collecting])
    return tuple([weighted_mean(zip(returns, weights, strict=True)) for returns in common])


def _recent_episodes(ranks: Sequence[ProducerState]) -> list[TimedEpisode]:
    if len(ranks) == 1:
        return list(ranks[0].episodes)
    newest_first: Iterator[TimedEpisode] = merge(
        *[reversed(rank.episodes) for rank in ranks], key=lambda timed: timed[0], reverse=True
    )
    return list(islice(newest_first, KEPT_EPISODES))[::-1]


def _cpu_share(sampled: Iterable[tuple[ProducerState, VitalsSampled]]) -> float | None:
    by_host: dict[str, list[float | None]] = {}
    for rank, sample in sampled:
        by_host.setdefault(rank.started.host if rank.started else "", []).append(sample.cpu_share)
    shares = [reduce_values(Reduction.SUM, shares) for shares in by_host.values()]
    mean: float | None = reduce_values(Reduction.MEAN, [s if s is None else min(s, 1.0) for s in shares])
    return mean


_OWN = (
    "env_steps_total",
    "steps_per_second",
    "mean_return",
    "std_return",
    "mean_length",
    "mean_accuracy",
)
_read_own = attrgetter(*_OWN)

_OUTCOMES = ("failed", "interrupted", "completed")
"""How a rank can end, the worst first."""
