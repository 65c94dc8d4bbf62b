"""In which update a run is after each of its events."""

from typing import Final

import msgspec

from esper_aggregator.fold.run_state import ProducerState, RunState
from esper_schemas import events as e

_NUMBERED: Final = frozenset({e.PPOUpdateCompleted, e.RolloutCompleted})
_IN_A_ROLLOUT: Final = frozenset({e.EpisodeCompleted, e.DecisionMade, e.SeedStageChanged})
_HIGHEST: Final = 1 << 62
_OBSERVED: Final = _NUMBERED | _IN_A_ROLLOUT | {e.RunStarted, e.ScalarsLogged}


class RankProgress(msgspec.Struct, frozen=True):
    """The newest update that a rank has begun, and the newest one that it has completed."""

    begun: int = 0
    completed: int = 0


class UpdateProgress:
    """Follows the fold of a run; `update` is the one that the run is in, `None` before the first.

    A run enters an update with the first event that belongs to it, once the other ranks have completed the
    one before. It goes back if a rank resumes from an earlier update. What counts is what each process says
    about its own updates: the number of an anomaly, say, changes nothing.
    """

    def __init__(self, ranks: dict[str, RankProgress] | None = None, update: int | None = None) -> None:
        self.update = update
        self._ranks = dict(ranks or {})
        self._in_rollout: set[str] = set()  # producers whose next events of a rollout change nothing

    @property
    def ranks(self) -> dict[str, RankProgress]:
        """The progress of each producer, for a checkpoint."""
        return dict(self._ranks)

    def observe(self, state: RunState, record: e.Record) -> int | None:
        """Take note of a record that was folded into `state` just now; returns the update of the run."""
        kind = type(record.event)
        if kind in _OBSERVED and not (kind in _IN_A_ROLLOUT and record.producer in self._in_rollout):
            producer = state.producers.get(record.producer)
            if producer is not None and producer.epoch == record.epoch:
                self._advance(producer, record.event)
        return self.update

    def _advance(self, producer: ProducerState, event: e.DecodedEvent) -> None:
        name = producer.producer
        before = self._ranks.setdefault(name, RankProgress())
        after = _progress(producer, event, before)
        if after.begun > after.completed and type(event) in _IN_A_ROLLOUT:
            self._in_rollout.add(name)
        else:
            self._in_rollout.discard(name)
        if after == before or not 0 <= after.begun <= _HIGHEST:
            return
        self._ranks[name] = after
        went_back = after.begun < before.begun
        if self.update is None or went_back or (after.begun > self.update and self._may_enter(name, after)):
            self.update = after.begun

    def _may_enter(self, name: str, after: RankProgress) -> bool:
        """Return whether no other rank is still in the update of the run.

        A rank that is further behind, or that others have left behind by two updates, is not waited for.
        """
        current = self.update or 0
        if len(self._ranks) == 1 or after.begun > current + 1:
            return True
        return all(
            other.completed >= current or other.completed < current - 1
            for rank, other in self._ranks.items()
            if rank != name
        )


def _progress(producer: ProducerState, event: e.DecodedEvent, before: RankProgress) -> RankProgress:
    """Return the progress of a rank after an event of its present process."""
    match event:
        case e.PPOUpdateCompleted(update=update):
            return RankProgress(update, update)
        case e.RolloutCompleted(update=update):
            return RankProgress(update, min(before.completed, update))
        case e.RunStarted(resumed_from=int(update)):
            return RankProgress(update, update)
        case e.ScalarsLogged():
            return _logged_progress(producer, before)
        case e.EpisodeCompleted() | e.DecisionMade() | e.SeedStageChanged():
            return RankProgress(max(before.begun, before.completed + 1), before.completed)
    return before


def _logged_progress(producer: ProducerState, before: RankProgress) -> RankProgress:
    """Return the progress of a rank whose updates the fold makes of logged values.

    An open update counts as completed, as snapshots show it.
    """
    logged = producer.logged
    if logged.update is None or not logged.update.makes_update:
        return before
    after = producer.last_update if logged.resumed_from is None else logged.resumed_from
    return RankProgress(after + 1, after + 1)
