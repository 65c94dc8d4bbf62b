"""Symptoms: streaks of values beyond the bounds of a watch, found update by update."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from operator import itemgetter
from typing import Any

from msgspec import ValidationError, convert
from msgspec.structs import astuple

from esper_schemas.declarations import HeadSpec, RunThresholds
from esper_schemas.events import PPOUpdateCompleted, RolloutCompleted
from esper_schemas.findings import Symptom
from esper_schemas.payload import PPOUpdatePayload
from esper_schemas.rules.bounded_watches import bounded_watches
from esper_schemas.rules.head_watch import HeadWatch
from esper_schemas.rules.non_finite import LATCHED_FIELDS
from esper_schemas.rules.run_levels import (
    ReturnLevels,
    UpdateLevels,
    return_quantities,
    update_quantities,
)
from esper_schemas.rules.streaks import Streaks
from esper_schemas.rules.thresholds import DEFAULTS, Thresholds, thresholds_of
from esper_schemas.rules.watched_row import FINITE, WatchedRow, constrained_row
from esper_schemas.rules.watches import OF_ROLLOUTS, RELATIVE

_MAX_HEAD_WATCHES = 256


@dataclass(slots=True)
class SymptomState:
    """What is remembered of one producer."""

    updates: Streaks = field(default_factory=Streaks)
    rollouts: Streaks = field(default_factory=Streaks)
    levels: UpdateLevels = field(default_factory=UpdateLevels)
    returns: ReturnLevels = field(default_factory=ReturnLevels)

    def begin_updates(self) -> None:
        """Forget the updates of an earlier training."""
        self.updates, self.levels = Streaks(), UpdateLevels()

    def begin_rollouts(self) -> None:
        """Forget the rollouts of an earlier training."""
        self.rollouts, self.returns = Streaks(), ReturnLevels()

    def forget_heads(self, heads: Collection[str]) -> None:
        """Forget what was remembered of some heads, which the run no longer has."""
        self.updates.forget_heads(heads)

    def symptoms(self) -> Iterator[Symptom]:
        """Yield the symptoms that have ended, and those that are active."""
        yield from self.updates.symptoms()
        yield from self.rollouts.symptoms()


class Watchlist:
    """The watches with the bounds that thresholds give them.

    Nearly every update is within all bounds, which one call decides: `msgspec` checks a row of values against
    a type whose fields are constrained to the bounds. Only if that fails, each value is compared on its own.
    """

    def __init__(self, thresholds: Thresholds = DEFAULTS) -> None:
        self._thresholds, self._heads = thresholds, dict[HeadSpec, HeadWatch]()
        watches = list(bounded_watches(thresholds.quantities, thresholds.levels))
        fields = tuple(dict.fromkeys(w.metric for w in watches if w.metric not in (*RELATIVE, *OF_ROLLOUTS)))
        only_latched = tuple(name for name in LATCHED_FIELDS if name not in fields)
        self._select = _selector(fields + only_latched)
        self._watched = len(fields)
        self._updates = WatchedRow(fields + RELATIVE, watches)
        self._rollouts = WatchedRow(OF_ROLLOUTS, watches)
        bounds = self._updates.ranges(fields) + [FINITE] * len(only_latched) + self._updates.ranges(RELATIVE)
        self._within_bounds = constrained_row(bounds)

    def update_completed(self, state: SymptomState, update: int, payload: PPOUpdatePayload) -> bool:
        """Add an update to the streaks; return whether all watched and latched values are within bounds."""
        row = self._select(astuple(payload))
        relative = update_quantities(state.levels, payload)
        try:
            convert(row + relative, self._within_bounds)
        except ValidationError:
            self._updates.observe(state.updates, update, row[: self._watched] + relative, payload)
            return False
        state.updates.end_observation()
        return True

    def heads_measured(
        self,
        state: SymptomState,
        event: PPOUpdateCompleted,
        heads: Mapping[str, HeadSpec],
        past: Iterable[PPOUpdateCompleted],
    ) -> bool:
        """Add an update's own heads to the streaks, before the update itself; `past` are those before it.

        Return whether all their values are within bounds.
        """
        within = True
        for name, measures in event.payload.heads.items():
            watch = self._heads.get(heads[name]) or self._new_head_watch(heads[name])
            within &= watch.observe(state.updates, event.update, measures, past)
        return within

    def _new_head_watch(self, spec: HeadSpec) -> HeadWatch:
        if len(self._heads) >= _MAX_HEAD_WATCHES:
            self._heads.clear()
        watch = self._heads[spec] = HeadWatch(spec, self._thresholds)
        return watch

    def rollout_completed(
        self, state: SymptomState, rollout: RolloutCompleted, baseline: float | None
    ) -> None:
        """Add a rollout to the streaks."""
        mean_return = rollout.mean_return
        lead = lost = kept = change = None
        if mean_return is not None:
            lost, kept, change = return_quantities(state.returns, mean_return)
            lead = None if baseline is None else mean_return - baseline
        values = (mean_return, rollout.std_return, lost, lead, kept, change)
        self._rollouts.observe(state.rollouts, rollout.update, values, None)


def _selector(names: Iterable[str]) -> Callable[[tuple[Any, ...]], tuple[Any, ...]]:
    """Return a function from all fields of a payload, as a tuple, to those with the given names."""
    places = {name: place for place, name in enumerate(PPOUpdatePayload.__struct_fields__)}
    return itemgetter(*[places[name] for name in names])


WATCHLIST = Watchlist()
"""The watches with the bounds of the catalogue."""


@lru_cache(maxsize=16)
def watchlist_of(given: RunThresholds) -> Watchlist:
    """Return the watches with the thresholds of a run; equal thresholds give the same object."""
    thresholds = thresholds_of(given)
    return WATCHLIST if thresholds is DEFAULTS else Watchlist(thresholds)
