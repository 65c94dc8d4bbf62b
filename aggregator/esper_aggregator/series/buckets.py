"""Divides the points of several columns into buckets that they share."""

from collections.abc import Sequence

import numpy as np

from esper_aggregator.series.points import Points
from esper_aggregator.series.row_block import Floats, Integers
from esper_schemas.history import Column


def within(points: Points, first: float | None, last: float | None) -> Points:
    """Return the points from `first` to `last`, both included."""
    if first is None and last is None:
        return points
    begin = 0 if first is None else int(np.searchsorted(points.x, first, side="left"))
    end = len(points.x) if last is None else int(np.searchsorted(points.x, last, side="right"))
    return Points(points.x[begin:end], points.values[begin:end])


def are_same(places: Floats, others: Floats) -> bool:
    """Return whether two columns were measured in the same places."""
    return places is others or np.array_equal(places, others)


def bucket_starts(columns: Sequence[Points], count: int) -> Floats:
    """Return the first place in each bucket, rising: all places if they are at most `count`.

    Otherwise the buckets have equal widths; those without a point are left out.
    """
    places: list[Floats] = []
    for points in columns:
        if not any(are_same(points.x, x) for x in places):
            places.append(points.x)
    if not any(len(x) for x in places):
        return np.empty(0)
    distinct = [_distinct(x) for x in places if len(x)]
    x = distinct[0] if len(distinct) == 1 else np.unique(np.concatenate(distinct))
    if len(x) <= count:
        return x
    edges = np.linspace(x[0], x[-1], count, endpoint=False)
    begins = np.unique(np.searchsorted(x, edges, side="left"))
    starts: Floats = x[begins]
    return starts


def _distinct(x: Floats) -> Floats:
    """Return each of some places, which never fall, once."""
    changes = x[1:] != x[:-1]
    return x if changes.all() else x[np.append(True, changes)]


def column_of(metric: str, points: Points, starts: Floats) -> Column:
    """Return the minimum, mean, maximum and last value of each bucket."""
    bounds = np.append(np.searchsorted(points.x, starts, side="left"), len(points.x))
    measured = np.diff(bounds)
    finite = np.isfinite(points.values)
    if finite.all():
        not_finite = np.zeros(len(starts), np.int64)
        statistics = _statistics(points.values, bounds)
    else:
        before = np.append(0, np.cumsum(finite))
        statistics = _statistics(points.values[finite], before[bounds])
        not_finite = measured - np.diff(before[bounds])
    minimum, mean, maximum = statistics
    last = np.full(len(starts), np.nan)
    last[measured > 0] = points.values[bounds[1:][measured > 0] - 1]
    return Column(
        metric=metric,
        minimum=_bytes(minimum),
        mean=_bytes(mean),
        maximum=_bytes(maximum),
        last=_bytes(last),
        measured=measured.astype("<u4").tobytes(),
        not_finite=not_finite.astype("<u4").tobytes(),
    )


def _statistics(values: Floats, bounds: Integers) -> tuple[Floats, Floats, Floats]:
    """Return minimum, mean and maximum between consecutive bounds; NaN between equal ones."""
    counts = np.diff(bounds)
    filled = counts > 0
    result = [np.full(len(counts), np.nan) for _ in range(3)]
    if filled.any():
        begins = bounds[:-1][filled]  # each bucket ends where the next one that is not empty begins
        minimum, maximum = np.minimum.reduceat(values, begins), np.maximum.reduceat(values, begins)
        with np.errstate(over="ignore", invalid="ignore"):
            mean = np.add.reduceat(values, begins, dtype=np.float64) / counts[filled]
        for bucket in np.flatnonzero(~np.isfinite(mean)).tolist():  # the sum was too large for a float
            begin, end = begins[bucket], begins[bucket] + counts[filled][bucket]
            mean[bucket] = (values[begin:end].astype(np.float64) / (end - begin)).sum()
        result[0][filled], result[2][filled] = minimum, maximum
        result[1][filled] = np.clip(mean, minimum, maximum)
    return result[0], result[1], result[2]


def _bytes(values: Floats) -> bytes:
    return values.astype("<f8", copy=False).tobytes()
