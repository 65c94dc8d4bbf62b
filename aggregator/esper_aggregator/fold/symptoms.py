"""Symptoms: streaks of values beyond the bounds of a watch, found update by update."""

import math
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Annotated, Any, TypeAlias

from msgspec import Meta, Struct, ValidationError, convert, defstruct
from msgspec.structs import astuple

from esper_aggregator.fold.non_finite import LATCHED_FIELDS
from esper_aggregator.fold.streaks import Streak, Streaks
from esper_schemas.events import RolloutCompleted
from esper_schemas.findings import Symptom
from esper_schemas.metrics.catalogue import QUANTITIES, MetricField
from esper_schemas.payload import PPOUpdatePayload
from esper_schemas.rules.baseline_levels import BaselineLevels, lost_return, relative_values
from esper_schemas.rules.watches import (
    NOT_FINITE,
    OF_ROLLOUTS,
    OTHER_NOT_FINITE,
    RELATIVE,
    BoundedWatch,
    bounded_watches,
)

Bounds: TypeAlias = tuple[float, float]
"""The smallest and the largest value without a symptom."""

_FINITE: Bounds = (-sys.float_info.max, sys.float_info.max)


@dataclass(slots=True)
class SymptomState:
    """What is remembered of one producer."""

    updates: Streaks = field(default_factory=Streaks)
    rollouts: Streaks = field(default_factory=Streaks)
    levels: BaselineLevels = field(default_factory=BaselineLevels)

    def begin_updates(self) -> None:
        """Forget the updates of an earlier training."""
        self.updates, self.levels.value_loss = Streaks(), None

    def begin_rollouts(self) -> None:
        """Forget the rollouts of an earlier training."""
        self.rollouts, self.levels = Streaks(), BaselineLevels(value_loss=self.levels.value_loss)

    def symptoms(self) -> Iterator[Symptom]:
        """Yield the symptoms that have ended, and those that are active."""
        yield from self.updates.symptoms()
        yield from self.rollouts.symptoms()


class Watchlist:
    """The watches with the bounds that a table of metrics gives them.

    Nearly every update is within all bounds, which one call decides: `msgspec` checks a row of values against
    a type whose fields are constrained to the bounds. Only if that fails, each value is compared on its own.
    """

    def __init__(self, quantities: Mapping[str, MetricField] = QUANTITIES) -> None:
        watches = list(bounded_watches(quantities))
        fields = tuple(dict.fromkeys(w.metric for w in watches if w.metric not in (*RELATIVE, *OF_ROLLOUTS)))
        only_latched = tuple(name for name in LATCHED_FIELDS if name not in fields)
        self._select = _selector(fields + only_latched)
        self._watched = len(fields)
        self._updates = _Bounds(fields + RELATIVE, watches)
        self._rollouts = _Bounds(OF_ROLLOUTS, watches)
        bounds = self._updates.ranges(fields) + [_FINITE] * len(only_latched) + self._updates.ranges(RELATIVE)
        self._within_bounds = _constrained_row(bounds)

    def update_completed(self, state: SymptomState, update: int, payload: PPOUpdatePayload) -> bool:
        """Add an update to the streaks; return whether all watched and latched values are within bounds."""
        row = self._select(astuple(payload))
        relative = relative_values(state.levels, payload)
        try:
            convert(row + relative, self._within_bounds)
        except ValidationError:
            self._updates.observe(state.updates, update, row[: self._watched] + relative, payload)
            return False
        state.updates.end_observation()
        return True

    def rollout_completed(
        self, state: SymptomState, rollout: RolloutCompleted, baseline: float | None
    ) -> None:
        """Add a rollout to the streaks."""
        mean_return = rollout.mean_return
        lead = lost = None
        if mean_return is not None:
            lost = lost_return(state.levels, mean_return)
            lead = None if baseline is None else mean_return - baseline
        values = (mean_return, rollout.std_return, lost, lead)
        self._rollouts.observe(state.rollouts, rollout.update, values, None)


def _selector(names: Iterable[str]) -> Callable[[tuple[Any, ...]], tuple[Any, ...]]:
    """Return a function from all fields of a payload, as a tuple, to those with the given names."""
    places = {name: place for place, name in enumerate(PPOUpdatePayload.__struct_fields__)}
    return itemgetter(*[places[name] for name in names])


def _constrained_row(bounds: Iterable[Bounds]) -> type[Struct]:
    """Return a type that accepts a row of values if each is within its bounds or was not measured."""
    types = [Annotated[float, Meta(ge=low, le=high)] | None for low, high in bounds]
    fields = [(f"value_{place}", value_type) for place, value_type in enumerate(types)]
    return defstruct("ConstrainedRow", fields, array_like=True, frozen=True, gc=False)


class _Bounds:
    """The watches of some quantities, and the ranges that no value may leave without a symptom."""

    def __init__(self, names: Iterable[str], watches: Iterable[BoundedWatch]) -> None:
        self._names = tuple(names)
        groups = [[w for w in watches if w.metric == name and w.name] for name in self._names]
        self._watches = tuple([((w.name, w.metric), w) for w in group] for group in groups)
        self._lows, self._highs = zip(*map(_range, groups), strict=True)

    def ranges(self, names: Iterable[str]) -> list[Bounds]:
        """Return the ranges of some of the quantities."""
        by_name = {name: place for place, name in enumerate(self._names)}
        return [(self._lows[by_name[name]], self._highs[by_name[name]]) for name in names]

    def observe(
        self,
        streaks: Streaks,
        update: int,
        values: Sequence[float | None],
        payload: PPOUpdatePayload | None,
    ) -> None:
        """Compare one value of each quantity; `None` was not measured."""
        for place, (value, low, high) in enumerate(zip(values, self._lows, self._highs, strict=True)):
            if value is not None and not low <= value <= high:  # also true of NaN
                self._extend(streaks, update, place, float(value), payload)
        streaks.end_observation()

    def _extend(
        self, streaks: Streaks, update: int, place: int, value: float, payload: PPOUpdatePayload | None
    ) -> None:
        """Extend the streak of each watch whose bound a value is beyond."""
        metric = self._names[place]
        if not math.isfinite(value):
            key = (NOT_FINITE.get(metric, OTHER_NOT_FINITE), metric)
            streak = streaks.extend(key, None, update, value, below=False)
            streak.finite = False
            _add_critical(streak, update)
            return
        for key, watch in self._watches[place]:
            if watch.is_beyond(value, watch.warning) and (not watch.only_where or _applies(watch, payload)):
                streak = streaks.extend(key, watch.head, update, value, below=watch.below)
                if watch.is_beyond(value, watch.critical):
                    _add_critical(streak, update)


def _range(watches: Iterable[BoundedWatch]) -> Bounds:
    """Return the values that none of the watches of a quantity is about: finite ones between two bounds."""
    lowest, highest = _FINITE
    lows = [watch.warning for watch in watches if watch.below]
    highs = [watch.warning for watch in watches if not watch.below]
    return max([lowest, *lows]), min([highest, *highs])


def _applies(watch: BoundedWatch, payload: PPOUpdatePayload | None) -> bool:
    """Return whether the field that a watch requires is above 0."""
    return (getattr(payload, watch.only_where) or 0.0) > 0.0


def _add_critical(streak: Streak, update: int) -> None:
    streak.critical_updates += 1
    if streak.critical_since is None:
        streak.critical_since = update


WATCHLIST = Watchlist()
"""The watches with the bounds of the catalogue."""
