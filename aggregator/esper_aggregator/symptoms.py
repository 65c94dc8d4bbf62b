"""Streaks of unusual values, tracked update by update in bounded memory. Pure; imports only schemas.

The snapshot keeps ten updates; a streak remembers since when something is unusual, however long ago.
"""

import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

from msgspec.structs import replace

from esper_schemas.catalogue import QUANTITIES, MetricField
from esper_schemas.diagnosis.watches import (
    GAP,
    NOT_FINITE,
    OF_ROLLOUTS,
    OTHER_NOT_FINITE,
    RELATIVE,
    WATCH_NAMES,
    BoundedWatch,
    bounded_watches,
)
from esper_schemas.events import RolloutCompleted
from esper_schemas.findings import Symptom
from esper_schemas.payload import PPOUpdatePayload

LEVEL_RATE = 0.1
"""How much of a new value a running level takes over."""

MOST_GROWTH = 2.0
"""A value loss raises its level as if it were this many times the level at most, so that an explosion does
not hide itself."""

TOLERANCE_OF_GAIN = 0.5
TOLERANCE_OF_DEVIATIONS = 6.0
"""A return may fall below its best level by this share of what was won, or by so many mean deviations,
whichever is more."""

Key = tuple[str, str]
"""A symptom's name and its metric."""


@dataclass(slots=True)
class Streak:
    """A symptom, and after how many observations it was seen last."""

    symptom: Symptom
    seen: int


@dataclass(slots=True)
class Streaks:
    """What one producer's updates, or its rollouts, have shown: open streaks, and the last ended one each."""

    observed: int = 0
    open: dict[Key, Streak] = field(default_factory=dict)
    ended: dict[Key, Symptom] = field(default_factory=dict)


@dataclass(slots=True)
class Levels:
    """Running levels of one producer, to which new values are compared."""

    value_loss: float | None = None
    first_return: float | None = None
    mean_return: float = 0.0
    best_return: float = 0.0
    deviation: float = 0.0


@dataclass(slots=True)
class SymptomState:
    """All that is remembered of one producer."""

    updates: Streaks = field(default_factory=Streaks)
    rollouts: Streaks = field(default_factory=Streaks)
    levels: Levels = field(default_factory=Levels)

    def symptoms(self) -> Iterable[Symptom]:
        """Open streaks and ended ones."""
        for streaks in (self.updates, self.rollouts):
            yield from streaks.ended.values()
            yield from (streak.symptom for streak in streaks.open.values())


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
        values = (*self._read(payload), *_relative(state.levels, payload))
        self._updates.observe(state.updates, update, values, payload)

    def rollout_completed(self, state: SymptomState, rollout: RolloutCompleted, baseline: float | None) -> None:
        """Take one rollout into account, in place."""
        mean_return = rollout.mean_return
        lead = None if baseline is None else mean_return - baseline
        values = (mean_return, rollout.std_return, _lost_return(state.levels, mean_return), lead)
        self._rollouts.observe(state.rollouts, rollout.update, values, None)


class _Bounds:
    """The watches of some quantities, and the range in which nothing is unusual."""

    def __init__(self, names: Sequence[str], watches: Iterable[BoundedWatch]) -> None:
        self._names = tuple(names)
        self._watches = tuple(tuple(w for w in watches if w.metric == name and w.watch.name) for name in names)
        self._lows = tuple(_innermost(group, below=True) for group in self._watches)
        self._highs = tuple(_innermost(group, below=False) for group in self._watches)

    def observe(
        self,
        streaks: Streaks,
        update: int,
        values: Sequence[float | None],
        payload: PPOUpdatePayload | None,
    ) -> None:
        """Look at one value of each quantity; `None` says nothing."""
        streaks.observed += 1
        unusual = [
            place
            for place, (value, low, high) in enumerate(zip(values, self._lows, self._highs, strict=True))
            if value is not None and not low <= value <= high
        ]
        for place in unusual:
            value = values[place]
            assert value is not None
            self._note(streaks, update, place, float(value), payload)
        if streaks.open:
            _close(streaks)

    def _note(
        self, streaks: Streaks, update: int, place: int, value: float, payload: PPOUpdatePayload | None
    ) -> None:
        metric = self._names[place]
        if not math.isfinite(value):
            name = NOT_FINITE.get(metric, OTHER_NOT_FINITE)
            _extend(streaks, _not_finite(name, metric, update, value), below=False)
            return
        for bounded in self._watches[place]:
            beyond = _beyond(bounded, value)
            if beyond and (not bounded.only_where or (getattr(payload, bounded.only_where) or 0.0) > 0.0):
                watch = bounded.watch
                _extend(
                    streaks,
                    _unusual(watch.name, metric, watch.head, update, value, critical=beyond == 2),
                    below=watch.below,
                )


def _innermost(group: Sequence[BoundedWatch], *, below: bool) -> float:
    """The bound of one side that is crossed first; the largest floats where there is none."""
    bounds = [
        _exclusive(bounded, bound)
        for bounded in group
        if bounded.watch.below == below
        for bound in (bounded.warning, bounded.critical)
        if bound is not None
    ]
    if below:
        return max(bounds, default=-sys.float_info.max)
    return min(bounds, default=sys.float_info.max)


def _exclusive(bounded: BoundedWatch, bound: float) -> float:
    """The last value within an inclusive bound."""
    return math.nextafter(bound, math.inf if bounded.watch.below else -math.inf) if bounded.inclusive else bound


def _beyond(bounded: BoundedWatch, value: float) -> int:
    """0 where the value is usual, 1 beyond the warning bound, 2 beyond the critical one."""
    for severity, bound in ((2, bounded.critical), (1, bounded.warning)):
        if bound is None:
            continue
        limit = _exclusive(bounded, bound)
        if value < limit if bounded.watch.below else value > limit:
            return severity
    return 0


def _relative(levels: Levels, payload: PPOUpdatePayload) -> tuple[float | None, float | None]:
    """`RELATIVE`, of one update."""
    returns, values = payload.return_std, payload.value_std
    spread = None if not returns or values is None else values / returns
    return spread, _value_loss_growth(levels, payload.value_loss)


def _value_loss_growth(levels: Levels, value_loss: float) -> float | None:
    level = levels.value_loss
    if not 0.0 < value_loss < sys.float_info.max:
        return None
    if level is None:
        levels.value_loss = value_loss
        return None
    levels.value_loss = level + LEVEL_RATE * (min(value_loss, MOST_GROWTH * level) - level)
    return _ratio(value_loss, level)


def _ratio(value: float, level: float) -> float:
    """Finite, whatever the two are."""
    return min(value / level, sys.float_info.max) if level > 0.0 else sys.float_info.max


def _lost_return(levels: Levels, mean_return: float) -> float | None:
    """How far the return's level is below its best, in tolerances; the level moves with every rollout."""
    if not abs(mean_return) < sys.float_info.max / 10:
        return None
    if levels.first_return is None:
        levels.first_return = levels.mean_return = levels.best_return = mean_return
        return None
    distance = abs(mean_return - levels.mean_return)
    levels.mean_return += 3 * LEVEL_RATE * (mean_return - levels.mean_return)
    levels.best_return = max(levels.best_return, levels.mean_return)
    lost = levels.best_return - levels.mean_return
    gain = levels.best_return - levels.first_return
    tolerance = max(TOLERANCE_OF_GAIN * gain, TOLERANCE_OF_DEVIATIONS * levels.deviation)
    if lost <= tolerance:  # what is lost is no measure of how much returns usually vary
        levels.deviation += LEVEL_RATE * (distance - levels.deviation)
    return _ratio(lost, tolerance) if tolerance > 0.0 else None


def _unusual(name: str, metric: str, head: str | None, update: int, value: float, *, critical: bool) -> Symptom:
    return Symptom(
        name=name,
        metric=metric,
        head=head,
        severity="critical" if critical else "warning",
        since_update=update,
        last_update=update,
        critical_since=update if critical else None,
        critical_updates=int(critical),
        value=value,
        worst=value,
        worst_update=update,
    )


def _not_finite(name: str, metric: str, update: int, value: float) -> Symptom:
    symptom = _unusual(name, metric, None, update, value, critical=True)
    return replace(symptom, severity="not finite")


def _extend(streaks: Streaks, now: Symptom, *, below: bool) -> None:
    """Lengthen the open streak by one more unusual value, or begin one."""
    key = (now.name, now.metric)
    streak = streaks.open.get(key)
    if streak is None:
        streaks.open[key] = Streak(now, streaks.observed)
        return
    was = streak.symptom
    worse = _is_worse(now.worst, was.worst, below=below)
    streak.seen = streaks.observed
    streak.symptom = replace(
        was,
        severity=max(was.severity, now.severity, key=_SEVERITIES.index),
        last_update=now.last_update,
        updates=was.updates + 1,
        critical_since=now.critical_since if was.critical_since is None else was.critical_since,
        critical_updates=was.critical_updates + now.critical_updates,
        worst=now.worst if worse else was.worst,
        worst_update=now.worst_update if worse else was.worst_update,
    )


_SEVERITIES = ("warning", "critical", "not finite")


def _is_worse(value: float, than: float, *, below: bool) -> bool:
    """NaN is the worst; otherwise the side of the bound decides."""
    if math.isnan(value) or math.isnan(than):
        return not math.isnan(than)
    return value < than if below else value > than


def _close(streaks: Streaks) -> None:
    """End the streaks that have not been seen for more than `GAP` observations."""
    over = [key for key, streak in streaks.open.items() if streaks.observed - streak.seen > GAP]
    for key in over:
        streaks.ended[key] = replace(streaks.open.pop(key).symptom, active=False)


def merged_symptoms(states: Iterable[SymptomState]) -> tuple[Symptom, ...]:
    """The symptoms of all ranks, oldest first: of one name and metric the open ones are one, and the ended."""
    groups: dict[Any, list[Symptom]] = {}
    for state in states:
        for symptom in state.symptoms():
            groups.setdefault((symptom.name, symptom.metric, symptom.active), []).append(symptom)
    merged = (group[0] if len(group) == 1 else _merged(group) for group in groups.values())
    return tuple(sorted(merged, key=lambda s: (s.since_update, s.name, s.metric, s.active)))


def _merged(group: list[Symptom]) -> Symptom:
    """The earliest beginning, the latest end, the longest streak, the worst value."""
    watch = WATCH_NAMES.get(group[0].name)
    sign = -1.0 if watch is not None and watch.below else 1.0
    worst = max(group, key=lambda s: (math.isnan(s.worst), _orderable(sign * s.worst), -s.worst_update))
    first = min(group, key=lambda s: (s.since_update, _orderable(-sign * s.value)))
    return replace(
        worst,
        value=first.value,
        severity=max((s.severity for s in group), key=_SEVERITIES.index),
        since_update=first.since_update,
        last_update=max(s.last_update for s in group),
        updates=max(s.updates for s in group),
        critical_since=min((s.critical_since for s in group if s.critical_since is not None), default=None),
        critical_updates=max(s.critical_updates for s in group),
    )


def _orderable(value: float) -> float:
    return math.inf if math.isnan(value) else value


WATCHLIST = Watchlist()
"""Judges by the catalogue's bands."""
