"""What the fold remembers of unusual values, update by update. Pure; imports only schemas."""

import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter, le
from typing import Any

from esper_aggregator.levels import Levels, lost_return, relative_to_levels
from esper_aggregator.streaks import Streak, Streaks
from esper_schemas.catalogue import QUANTITIES, MetricField
from esper_schemas.diagnosis.watches import (
    NOT_FINITE,
    OF_ROLLOUTS,
    OTHER_NOT_FINITE,
    RELATIVE,
    BoundedWatch,
    bounded_watches,
)
from esper_schemas.events import RolloutCompleted
from esper_schemas.findings import Symptom
from esper_schemas.payload import PPOUpdatePayload


@dataclass(slots=True)
class SymptomState:
    """All that is remembered of one producer."""

    updates: Streaks = field(default_factory=Streaks)
    rollouts: Streaks = field(default_factory=Streaks)
    levels: Levels = field(default_factory=Levels)

    def symptoms(self) -> Iterator[Symptom]:
        """Open streaks and ended ones."""
        yield from self.updates.symptoms()
        yield from self.rollouts.symptoms()


class Watchlist:
    """The bounds of a table of metrics, laid out so that a usual update costs one pass over plain tuples."""

    def __init__(self, quantities: Mapping[str, MetricField] = QUANTITIES) -> None:
        watches = list(bounded_watches(quantities))
        fields = list(dict.fromkeys(w.metric for w in watches if w.metric not in (*RELATIVE, *OF_ROLLOUTS)))
        self._read = attrgetter(*fields)
        self._updates = _Bounds((*fields, *RELATIVE), watches)
        self._rollouts = _Bounds(OF_ROLLOUTS, watches)

    def update_completed(self, state: SymptomState, update: int, payload: PPOUpdatePayload) -> None:
        """Take one update into account, in place."""
        values = (*self._read(payload), *relative_to_levels(state.levels, payload))
        self._updates.observe(state.updates, update, values, payload)

    def rollout_completed(
        self, state: SymptomState, rollout: RolloutCompleted, baseline: float | None
    ) -> None:
        """Take one rollout into account, in place."""
        mean_return = rollout.mean_return
        lead = None if baseline is None else mean_return - baseline
        values = (mean_return, rollout.std_return, lost_return(state.levels, mean_return), lead)
        self._rollouts.observe(state.rollouts, rollout.update, values, None)


class _Bounds:
    """The watches of some quantities, and the range in which nothing is unusual."""

    def __init__(self, names: Sequence[str], watches: Iterable[BoundedWatch]) -> None:
        self._names = tuple(names)
        self._watches = tuple(tuple(w for w in watches if w.metric == name and w.name) for name in names)
        self._lows = tuple(max(_bounds(group, below=True)) for group in self._watches)
        self._highs = tuple(min(_bounds(group, below=False)) for group in self._watches)

    def observe(
        self,
        streaks: Streaks,
        update: int,
        values: Sequence[float | None],
        payload: PPOUpdatePayload | None,
    ) -> None:
        """Look at one value of each quantity; `None` says nothing."""
        streaks.observed += 1
        if not self._all_usual(values):
            for place, (value, low, high) in enumerate(zip(values, self._lows, self._highs, strict=True)):
                if value is not None and not low <= value <= high:  # NaN is not within anything
                    self._note(streaks, update, place, float(value), payload)
        if streaks.open:
            streaks.close()

    def _all_usual(self, values: Sequence[Any]) -> bool:
        """Whether all were measured and none is beyond a bound, as nearly always: in one pass each in C."""
        try:
            return all(map(le, self._lows, values)) and all(map(le, values, self._highs))
        except TypeError:  # something was not measured
            return False

    def _note(
        self, streaks: Streaks, update: int, place: int, value: float, payload: PPOUpdatePayload | None
    ) -> None:
        """Lengthen the streaks of everything that one value is beyond."""
        metric = self._names[place]
        if not math.isfinite(value):
            key = (NOT_FINITE.get(metric, OTHER_NOT_FINITE), metric)
            streak = streaks.extend(key, None, update, value, below=False)
            streak.finite = False
            _criticise(streak, update)
            return
        for watch in self._watches[place]:
            if watch.is_beyond(value, watch.warning) and _applies(watch, payload):
                streak = streaks.extend((watch.name, metric), watch.head, update, value, below=watch.below)
                if watch.is_beyond(value, watch.critical):
                    _criticise(streak, update)


def _bounds(group: Iterable[BoundedWatch], *, below: bool) -> list[float]:
    """The bounds of one side, and the largest float, beyond which nothing is finite."""
    widest = -sys.float_info.max if below else sys.float_info.max
    return [widest, *(w.warning for w in group if w.below == below)]


def _applies(watch: BoundedWatch, payload: PPOUpdatePayload | None) -> bool:
    return not watch.only_where or (getattr(payload, watch.only_where) or 0.0) > 0.0


def _criticise(streak: Streak, update: int) -> None:
    streak.critical_updates += 1
    if streak.critical_since is None:
        streak.critical_since = update


WATCHLIST = Watchlist()
"""Judges by the catalogue's bands."""
