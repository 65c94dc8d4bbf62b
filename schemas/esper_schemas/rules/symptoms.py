"""Symptoms: streaks of values beyond the bounds of a watch, found update by update."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from math import isfinite
from operator import itemgetter
from typing import Any

from msgspec import Struct, ValidationError, convert
from msgspec.structs import astuple

from esper_schemas.declarations import HeadSpec, RunThresholds
from esper_schemas.events import PPOUpdateCompleted, RolloutCompleted
from esper_schemas.findings import Symptom
from esper_schemas.metrics.catalogue import CATALOGUE
from esper_schemas.payload import PPOUpdatePayload
from esper_schemas.rules.bounded_watches import bounded_watches
from esper_schemas.rules.declared_ranges import RANGES, UNKNOWN, Definitions, without_implausible
from esper_schemas.rules.entropy_fall import FALLS_OF_TAMIYO, falls_of_tamiyo
from esper_schemas.rules.head_watch import HeadWatch
from esper_schemas.rules.non_finite import LATCHED_FIELDS
from esper_schemas.rules.quantities import OF_ROLLOUTS, RELATIVE, SIZES
from esper_schemas.rules.return_levels import ReturnLevels, return_quantities
from esper_schemas.rules.run_levels import UpdateLevels, update_quantities
from esper_schemas.rules.streaks import Streaks
from esper_schemas.rules.thresholds import DEFAULTS, Thresholds, thresholds_of
from esper_schemas.rules.watched_row import ANY, FINITE, Bounds, WatchedRow, constrained_row, narrower
from esper_schemas.rules.watches import LOW_ENTROPIES, NEAR_BEST

_MAX_HEAD_WATCHES = 256
_PAYLOAD_FIELDS = frozenset(PPOUpdatePayload.__struct_fields__)


@dataclass(slots=True)
class SymptomState:
    """What is remembered of one producer.

    Returns are those of its rollouts; of a producer that reports none, those of its updates.
    """

    updates: Streaks = field(default_factory=Streaks)
    rollouts: Streaks = field(default_factory=Streaks)
    levels: UpdateLevels = field(default_factory=UpdateLevels)
    returns: ReturnLevels = field(default_factory=ReturnLevels)
    reports_rollouts: bool = False

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
        self._bounds = {(watch.name, watch.metric): watch for watch in watches}
        fields = tuple(dict.fromkeys(w.metric for w in watches if w.metric in _PAYLOAD_FIELDS))
        self._select = _selector(fields)
        self._fields, self._relative = WatchedRow(fields, watches), WatchedRow(RELATIVE, watches)
        self._rollouts = WatchedRow(OF_ROLLOUTS, watches)
        self._falls = WatchedRow(FALLS_OF_TAMIYO, watches)
        watched = dict(zip(fields, self._fields.ranges(fields), strict=True))
        self._within_bounds = constrained_row(_bounds_of_payloads(watched))
        self._relative_within_bounds = constrained_row(self._relative.ranges(RELATIVE))

    def bound_of(self, symptom: Symptom) -> float | None:
        """Return the bound that a symptom is beyond, in the unit of its metric.

        None if the quantity is in another unit: it follows from several metrics, or from values before.
        """
        watch = self._bounds.get((symptom.name, symptom.metric))
        if watch is None or symptom.metric not in (*CATALOGUE, *SIZES):
            return None
        return watch.critical if symptom.critical_updates else watch.warning

    def update_completed(
        self,
        state: SymptomState,
        update: int,
        payload: PPOUpdatePayload,
        past: Iterable[PPOUpdateCompleted] = (),
        definitions: Definitions = UNKNOWN,
    ) -> bool:
        """Add an update to the streaks; return whether all watched and latched values are within bounds.

        past: the updates before it, oldest first. definitions: what the run says of its metrics.
        """
        if not state.reports_rollouts:
            mean = payload.return_mean
            if mean is not None and isfinite(mean):
                self._returns_measured(state, update, mean)
        row = astuple(payload)
        within = _accepts(self._within_bounds, row)
        if not within and not _accepts(_PLAUSIBLE, row):
            payload = without_implausible(state.updates, update, payload, definitions)
            row = astuple(payload)
        relative = update_quantities(state.levels, payload)
        relative_within = _accepts(self._relative_within_bounds, relative)
        if within and relative_within:
            state.updates.end_observation()
            return True
        self._falls.compare(state.updates, update, falls_of_tamiyo(payload, past), payload)
        if not within:
            self._fields.compare(state.updates, update, self._select(row), payload)
        if not relative_within:
            self._relative.compare(state.updates, update, relative)
        state.updates.end_observation()
        if NEAR_BEST in state.rollouts.open:
            _count_at_best(state.updates)
        return False

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
        if not state.reports_rollouts:
            state.begin_rollouts()  # those of payloads are of another kind
            state.reports_rollouts = True
        self._returns_measured(state, rollout.update, rollout.mean_return, rollout.std_return, baseline)

    def _returns_measured(
        self,
        state: SymptomState,
        update: int,
        mean: float | None,
        deviation: float | None = None,
        baseline: float | None = None,
    ) -> None:
        lead = lost = kept = change = None
        if mean is not None:
            lost, kept, change = return_quantities(state.returns, mean)
            lead = None if baseline is None else mean - baseline
        values = (mean, deviation, lost, lead, kept, change)
        # A return near its best is a symptom, too, so that a check of the whole row would nearly always fail.
        self._rollouts.compare(state.rollouts, update, values)
        state.rollouts.end_observation()


def _bounds_of_payloads(watched: Mapping[str, Bounds]) -> list[Bounds | None]:
    """Return the bounds of all metrics of a payload, None for those whose values are not looked at."""
    bounds = {**dict.fromkeys(LATCHED_FIELDS, FINITE), **watched}
    bounds |= {name: narrower(RANGES[name], bounds.get(name, ANY)) for name in RANGES}
    return [bounds.get(name) for name in CATALOGUE]


_PLAUSIBLE = constrained_row([RANGES.get(name) for name in CATALOGUE])
"""A row of values of a payload that are all within their declared ranges."""


def _count_at_best(updates: Streaks) -> None:
    """Count an update at the best return for each streak of low entropies that it belongs to."""
    for key in LOW_ENTROPIES & updates.open.keys():
        streak = updates.open[key]
        streak.at_best += streak.seen == updates.observed


def _accepts(row_type: type[Struct], row: tuple[Any, ...]) -> bool:
    try:
        convert(row, row_type)
    except ValidationError:
        return False
    return True


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
