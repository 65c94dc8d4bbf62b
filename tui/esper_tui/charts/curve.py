"""A metric over the run as it was answered: the smallest, mean, largest and last value of each bucket."""

import sys
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from math import isfinite, nan
from typing import NamedTuple

from esper_schemas.history import Column, Series


class Curve(NamedTuple):
    """One metric in the buckets that start at `x`; the fields are those of `Column`, as numbers.

    `earlier` are the values that a resumed run made again.
    """

    metric: str
    x: Sequence[float]
    minimum: Sequence[float]
    mean: Sequence[float]
    maximum: Sequence[float]
    last: Sequence[float]
    measured: Sequence[int]
    not_finite: Sequence[int]
    earlier: "Curve | None" = None

    @property
    def end(self) -> float | None:
        """Where the last bucket with a value starts."""
        measured = [x for x, number in zip(self.x, self.measured, strict=True) if number]
        return measured[-1] if measured else None

    def within(self, first: float, last: float) -> "Curve":
        """The buckets that start between two places, both inclusive."""
        return self._part(bisect_left(self.x, first), bisect_right(self.x, last))

    def first(self, length: int) -> "Curve":
        """The first buckets."""
        return self._part(0, length)

    def _part(self, start: int, end: int) -> "Curve":
        part = slice(start, end)
        x, mean, last = self.x[part], self.mean[part], self.last[part]
        counts = self.measured[part], self.not_finite[part]
        return Curve(self.metric, x, self.minimum[part], mean, self.maximum[part], last, *counts)

    def bucket_at(self, x: float) -> int | None:
        """The number of the last measured bucket that starts at or before a place; else the first one."""
        measured = [place for place, number in enumerate(self.measured) if number]
        before = bisect_right(self.x, x)
        return next(
            (place for place in reversed(measured) if place < before), measured[0] if measured else None
        )

    def finite_range(self) -> tuple[float, float] | None:
        """The smallest and the largest finite value; None without one."""
        low = min(filter(isfinite, self.minimum), default=nan)
        high = max(filter(isfinite, self.maximum), default=nan)
        return (low, high) if low <= high else None


def curves_of(series: Series) -> dict[str, Curve]:
    """The curves of an answer; numbers that have no counterpart in every column are left out."""
    x = _doubles(series.x)
    earlier_x = _doubles(series.earlier_x)
    earlier = {column.metric: _curve(column, earlier_x) for column in series.earlier}
    curves = (_curve(column, x) for column in series.columns)
    return {curve.metric: curve._replace(earlier=earlier.get(curve.metric)) for curve in curves}


def _curve(column: Column, x: Sequence[float]) -> Curve:
    minimum, mean, maximum, last = map(_doubles, (column.minimum, column.mean, column.maximum, column.last))
    measured, not_finite = _counts(column.measured), _counts(column.not_finite)
    shortest = min(map(len, (x, minimum, mean, maximum, last, measured, not_finite)))
    curve = Curve(column.metric, x, minimum, mean, maximum, last, measured, not_finite)
    return curve if shortest == len(x) else curve.first(shortest)


def _doubles(raw: bytes) -> Sequence[float]:
    """Little-endian float64; an incomplete last one is left out."""
    numbers = array("d", raw[: len(raw) // 8 * 8])
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def _counts(raw: bytes) -> Sequence[int]:
    """Little-endian uint32; an incomplete last one is left out."""
    numbers = array("I", raw[: len(raw) // 4 * 4])
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def curve_of_values(metric: str, values: Sequence[float | None], last_x: float) -> Curve:
    """The curve of single values of which the last one is at `last_x`, None where there is none."""
    found = [nan if value is None else float(value) for value in values]
    finite = [value if isfinite(value) else nan for value in found]
    x = [last_x - len(found) + 1 + place for place in range(len(found))]
    measured = [int(value is not None) for value in values]
    not_finite = [int(value is not None and not isfinite(value)) for value in values]
    return Curve(metric, x, finite, finite, finite, found, measured, not_finite)
