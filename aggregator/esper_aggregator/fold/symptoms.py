"""What the fold remembers of unusual values, update by update. Pure; imports only schemas."""

import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter

from esper_aggregator.fold.non_finite import LATCHED_FIELDS
from esper_aggregator.fold.quick_check import Range, usual_test
from esper_aggregator.fold.reference_levels import Levels, lost_return, relative_to_levels
from esper_aggregator.fold.streaks import Streak, Streaks
from esper_schemas.events import RolloutCompleted
from esper_schemas.findings import Symptom
from esper_schemas.metrics.catalogue import QUANTITIES, MetricField
from esper_schemas.payload import PPOUpdatePayload
from esper_schemas.rules.watches import (
    NOT_FINITE,
    OF_ROLLOUTS,
    OTHER_NOT_FINITE,
    RELATIVE,
    BoundedWatch,
    bounded_watches,
)

_FINITE: Range = (-sys.float_info.max, sys.float_info.max)


@dataclass(slots=True)
class SymptomState:
    """All that is remembered of one producer."""

    updates: Streaks = field(default_factory=Streaks)
    rollouts: Streaks = field(default_factory=Streaks)
    levels: Levels = field(default_factory=Levels)

    def begin_updates(self) -> None:
        """Training begins anew: forget what updates of another training were like."""
        self.updates, self.levels.value_loss = Streaks(), None

    def begin_rollouts(self) -> None:
        """The same of rollouts."""
        self.rollouts, self.levels = Streaks(), Levels(value_loss=self.levels.value_loss)

    def symptoms(self) -> Iterator[Symptom]:
        """Open streaks and ended ones."""
        yield from self.updates.symptoms()
        yield from self.rollouts.symptoms()


class Watchlist:
    """The bounds of a table of metrics, laid out so that a usual update costs one compiled test."""

    def __init__(self, quantities: Mapping[str, MetricField] = QUANTITIES) -> None:
        watches = list(bounded_watches(quantities))
        fields = list(dict.fromkeys(w.metric for w in watches if w.metric not in (*RELATIVE, *OF_ROLLOUTS)))
        self._read = attrgetter(*fields)
        self._updates = _Bounds((*fields, *RELATIVE), watches)
        self._rollouts = _Bounds(OF_ROLLOUTS, watches)
        latched = dict.fromkeys(LATCHED_FIELDS, _FINITE)
        self._usual = usual_test(latched | self._updates.ranges(fields), self._updates.ranges(RELATIVE))

    def update_completed(self, state: SymptomState, update: int, payload: PPOUpdatePayload) -> bool:
        """Take one update into account, in place; whether all that is watched or latched was usual."""
        relative = relative_to_levels(state.levels, payload)
        try:
            usual = self._usual(payload, *relative)
        except TypeError:  # something was not measured
            usual = False
        if usual:
            state.updates.pass_by()
        else:
            self._updates.observe(state.updates, update, (*self._read(payload), *relative), payload)
        return usual

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
        for place, (value, low, high) in enumerate(zip(values, self._lows, self._highs, strict=True)):
            if value is not None and not low <= value <= high:  # NaN is not within anything
                self._note(streaks, update, place, float(value), payload)
        streaks.pass_by()

    def ranges(self, names: Iterable[str]) -> dict[str, Range]:
        """In which nothing is unusual, of some of the quantities."""
        return {
            name: (self._lows[place], self._highs[place])
            for place, name in enumerate(self._names)
            if name in set(names)
        }

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
    widest = _FINITE[0] if below else _FINITE[1]
    return [widest, *(w.warning for w in group if w.below == below)]


def _applies(watch: BoundedWatch, payload: PPOUpdatePayload | None) -> bool:
    return not watch.only_where or (getattr(payload, watch.only_where) or 0.0) > 0.0


def _criticise(streak: Streak, update: int) -> None:
    streak.critical_updates += 1
    if streak.critical_since is None:
        streak.critical_since = update


WATCHLIST = Watchlist()
"""Judges by the catalogue's bands."""
