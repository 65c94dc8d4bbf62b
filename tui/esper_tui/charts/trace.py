"""A curve in the columns of a chart: what is drawn where, before the values have a scale."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from math import isfinite, isinf
from statistics import median
from typing import NamedTuple

from esper_tui.charts.curve import Curve
from esper_tui.charts.place_axis import PlaceAxis

LONGEST_GAP = 4
"""Neighbours that are this many times as far apart as usual are not connected."""


class Dot(NamedTuple):
    """The finite values of one column of dots: the smallest, the mean and the largest."""

    x: int
    low: float
    mean: float
    high: float


@dataclass(slots=True)
class Trace:
    """Dots from left to right in pieces that are connected, and the columns with values that are not finite.

    The number of such a column is the last of its values that is not finite; NaN if that is not known.
    """

    pieces: list[list[Dot]] = field(default_factory=list)
    faults: dict[int, float] = field(default_factory=dict)


def trace(curve: Curve, axis: PlaceAxis, dots: int) -> Trace:
    """Spread a curve over `dots` columns; buckets of the same column are merged."""
    made, found = Trace(), list(_dots(curve, axis, dots))
    steps = [b.x - a.x for a, b in pairwise(found)]
    longest = LONGEST_GAP * max(median(steps), 1) if steps else 0
    breaks = sorted(_faults(curve, axis, dots, made.faults))
    for dot in found:
        before = made.pieces[-1][-1].x if made.pieces else -1
        if made.pieces and dot.x - before <= longest and not any(before < x < dot.x for x in breaks):
            made.pieces[-1].append(dot)
        else:
            made.pieces.append([dot])
    return made


def _dots(curve: Curve, axis: PlaceAxis, dots: int) -> Iterator[Dot]:
    """The finite buckets on the axis, those of one column as one dot with the mean of their means."""
    column, low, high, means = -1, 0.0, 0.0, [0.0]
    for x, least, mean, most in zip(curve.x, curve.minimum, curve.mean, curve.maximum, strict=True):
        if not (axis.first <= x <= axis.last and isfinite(mean)):
            continue
        place = axis.dot(x, dots)
        if place == column:
            low, high = min(low, least), max(high, most)
            means.append(mean)
            continue
        if column >= 0:
            yield Dot(column, low, _mean(means), high)
        column, low, high, means = place, least, most, [mean]
    if column >= 0:
        yield Dot(column, low, _mean(means), high)


def _mean(values: list[float]) -> float:
    return values[0] if len(values) == 1 else sum(value / len(values) for value in values)


def _faults(curve: Curve, axis: PlaceAxis, dots: int, faults: dict[int, float]) -> Iterator[int]:
    """Note the columns with values that are not finite, and yield those that have no finite one."""
    if not any(curve.not_finite):
        return
    for x, last, measured, number in zip(curve.x, curve.last, curve.measured, curve.not_finite, strict=True):
        if number and axis.first <= x <= axis.last:
            place = axis.dot(x, dots)
            faults[place] = last if isinf(last) else float("nan")
            if number >= measured:
                yield place
