"""A row of values of which each has watches: streaks are extended by the values that are beyond a bound."""

import math
import sys
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, TypeAlias

from msgspec import Meta, Struct, defstruct

from esper_schemas.rules.quantities import NOT_FINITE, OTHER_NOT_FINITE
from esper_schemas.rules.streaks import Key, Streaks
from esper_schemas.rules.watch import BoundedWatch

Bounds: TypeAlias = tuple[float, float]
"""The smallest and the largest value without a symptom."""

FINITE: Bounds = (-sys.float_info.max, sys.float_info.max)
ANY: Bounds = (-math.inf, math.inf)


def narrower(first: Bounds, second: Bounds) -> Bounds:
    """Return the values that are within both of two pairs of bounds."""
    return max(first[0], second[0]), min(first[1], second[1])


def constrained_row(bounds: Iterable[Bounds | None]) -> type[Struct]:
    """Return a type that accepts a row of values if each is within its bounds or was not measured.

    A value without bounds may be anything.
    """
    types = [
        Any if pair is None else Annotated[float, Meta(ge=pair[0], le=pair[1])] | None for pair in bounds
    ]
    fields = [(f"value_{place}", value_type) for place, value_type in enumerate(types)]
    return defstruct("ConstrainedRow", fields, array_like=True, frozen=True, gc=False)


class WatchedRow:
    """The watches of some quantities, and the ranges that no value may leave without a symptom."""

    def __init__(
        self, names: Iterable[str], watches: Iterable[BoundedWatch], head: str | None = None
    ) -> None:
        self._names, self._head = tuple(names), head
        groups = [[w for w in watches if w.metric == name and w.name] for name in self._names]
        self._below = tuple(_with_keys(group, below=True) for group in groups)
        self._above = tuple(_with_keys(group, below=False) for group in groups)
        self._lows, self._highs = zip(*map(_range, groups), strict=True)

    def ranges(self, names: Iterable[str]) -> list[Bounds]:
        """Return the ranges of some of the quantities."""
        by_name = {name: place for place, name in enumerate(self._names)}
        return [(self._lows[by_name[name]], self._highs[by_name[name]]) for name in names]

    def compare(
        self,
        streaks: Streaks,
        update: int,
        values: Sequence[float | None],
        measured: Struct | None = None,
    ) -> None:
        """Compare one value of each quantity; `None` was not measured.

        `measured` has the fields that watches require.
        """
        lows, highs = self._lows, self._highs
        for place, value in enumerate(values):
            if value is not None and not lows[place] <= value <= highs[place]:  # also true of NaN
                self._extend(streaks, update, place, float(value), measured)

    def _extend(
        self, streaks: Streaks, update: int, place: int, value: float, measured: Struct | None
    ) -> None:
        """Extend the streak of each watch whose bound the value at a place is beyond, or that of NaN."""
        if not -math.inf < value < math.inf:
            metric = self._names[place]
            key = (NOT_FINITE.get(metric, OTHER_NOT_FINITE), metric)
            streaks.extend(key, self._head, update, value, below=False).mark_not_finite(update)
            return
        watches = self._below if value < self._lows[place] else self._above
        for key, watch in watches[place]:
            below = watch.below
            beyond = value < watch.warning if below else value > watch.warning
            if beyond and (not watch.only_where or _applies(watch, measured)):
                streak = streaks.extend(key, watch.head, update, value, below=below)
                if value < watch.critical if below else value > watch.critical:
                    streak.add_critical(update)


def _with_keys(watches: Sequence[BoundedWatch], *, below: bool) -> list[tuple[Key, BoundedWatch]]:
    """Return the watches, with the keys of their streaks, of which a value beyond one side may be a symptom.

    They are all of them if the lowest value is above the highest one.
    """
    low, high = _range(watches)
    return [((w.name, w.metric), w) for w in watches if w.below == below or low > high]


def _range(watches: Iterable[BoundedWatch]) -> Bounds:
    """Return the values that none of the watches of a quantity is about: finite ones between two bounds."""
    lowest, highest = FINITE
    lows = [watch.warning for watch in watches if watch.below]
    highs = [watch.warning for watch in watches if not watch.below]
    return max([lowest, *lows]), min([highest, *highs])


def _applies(watch: BoundedWatch, measured: Struct | None) -> bool:
    """Return whether the field that a watch requires is above 0."""
    return (getattr(measured, watch.only_where) or 0.0) > 0.0
