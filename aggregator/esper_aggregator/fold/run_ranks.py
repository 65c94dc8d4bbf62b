"""Which producers are the ranks of a run: one for each rank, whichever order their events arrived in."""

from collections.abc import Sequence
from typing import NamedTuple

from esper_aggregator.fold.run_state import ProducerState, RunState
from esper_schemas.state import HISTORY_LENGTH

LEFT_BEHIND = HISTORY_LENGTH
"""A rank that is at least this number of updates behind the newest one has no part in the run's values."""


class RunRanks(NamedTuple):
    """The ranks of a run, lowest first.

    `started` has every rank of the run's world, `training` those of them that are not left behind: a rank
    that has died, or another one, long after the others have continued.
    """

    started: list[ProducerState]
    training: list[ProducerState]

    @property
    def leader(self) -> ProducerState | None:
        """The lowest rank, whose plan stands for the run."""
        return self.started[0] if self.started else None


def run_ranks(state: RunState) -> RunRanks:
    """Return the ranks of a run; the lowest one alone unless it is one of several by its world size."""
    producers = _trainers(state)
    if len(producers) < 2:
        return RunRanks(producers, producers)
    by_rank: dict[int, list[ProducerState]] = {}
    for producer in producers:
        by_rank.setdefault(producer.rank, []).append(producer)
    world_size = _world_size(_representative(by_rank[min(by_rank)]))
    ranks = [rank for rank in sorted(by_rank) if rank < world_size] or [min(by_rank)]
    started = [_representative(by_rank[rank]) for rank in ranks]
    return RunRanks(started, _not_left_behind(started))


def producers_by_rank(state: RunState) -> list[ProducerState]:
    """Return all trainers by rank, then by name."""
    return sorted(_trainers(state), key=lambda producer: (producer.rank, producer.producer))


def _trainers(state: RunState) -> list[ProducerState]:
    """Return the producers that train, in the order of their first events; notes have one that does not."""
    return [producer for producer in state.producers.values() if producer.is_trainer]


def _world_size(producer: ProducerState) -> int:
    return producer.started.world_size if producer.started else 1


def _representative(producers: Sequence[ProducerState]) -> ProducerState:
    """Return the producer that stands for a rank: the first one, or one that trained on after its end.

    A rank may have been restarted under another name. Of two that train at the same time, the first one stays
    until the other has outlived it for longer than they overlapped.
    """
    first, *others = sorted(
        [p for p in producers if p.started] or producers,
        key=lambda producer: (_since_ns(producer), producer.producer),
    )
    for other in others:
        if other.training_since_ns is None and first.training_since_ns is not None:
            continue
        alone_ns = (other.last_event_ns or 0) - (first.last_event_ns or 0)
        together_ns = (first.last_event_ns or 0) - _since_ns(other)
        if alone_ns > max(together_ns, 0):
            first = other
    return first


def _since_ns(producer: ProducerState) -> float:
    since_ns = producer.training_since_ns
    return float("inf") if since_ns is None else since_ns


def _not_left_behind(ranks: list[ProducerState]) -> list[ProducerState]:
    newest = max(rank.last_update for rank in ranks)
    return [rank for rank in ranks if newest - rank.last_update < LEFT_BEHIND]
