"""Reduces the measurements of several ranks to one; the result does not depend on the order of the ranks."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from esper_aggregator.fold.size_limits import bounded_count
from esper_schemas.metrics.catalogue import CATALOGUE, QUANTITIES
from esper_schemas.metrics.metric import Reduction
from esper_schemas.payload import PPOUpdatePayload

_Measured = TypeVar("_Measured")


def merge(payloads: Iterable[PPOUpdatePayload]) -> PPOUpdatePayload:
    """Reduce the payloads of all ranks to one, by the reduction of each metric."""
    ranks = list(payloads)
    if len(ranks) == 1:
        return ranks[0]
    return PPOUpdatePayload(
        **{name: reduce_field(name, [getattr(p, name) for p in ranks]) for name in CATALOGUE}
    )


def reduce_field(name: str, values: Sequence[float | None]) -> Any:
    """Reduce the values of one field on all ranks to one."""
    return values[0] if len(values) == 1 else reduce_values(QUANTITIES[name].metric.over_ranks, values)


def reduce_values(reduction: Reduction, values: Sequence[float | None]) -> Any:
    """Reduce the values of several ranks to one.

    `None` is left out; the result is `None` if no rank has a value, and NaN if any rank has NaN.
    """
    measured = [value for value in values if value is not None]
    if len(measured) < 2:
        return measured[0] if measured else None
    if any(value != value for value in measured):
        return math.nan
    # Sorted, with -0.0 before 0.0, because sums of floats and the larger of two zeros depend on the order.
    measured.sort(key=lambda value: (value, math.copysign(1.0, value)))
    return _REDUCE[reduction](measured)


def weighted_mean(values: Iterable[tuple[float | None, float]]) -> float | None:
    """Return the mean of pairs of value and weight, where `None` is left out and NaN is not averaged away."""
    measured = [(value, weight) for value, weight in values if value is not None]
    if len(measured) < 2:
        return measured[0][0] if measured else None
    if any(value != value for value, _ in measured):
        return math.nan
    measured.sort(key=lambda pair: (pair[0], math.copysign(1.0, pair[0]), pair[1]))
    total = sum(weight for _, weight in measured)
    mean = sum(value * (weight / total) for value, weight in measured)
    return mean if mean != mean else min(max(mean, measured[0][0]), measured[-1][0])


def pooled_deviation(groups: Iterable[tuple[float | None, float | None, float]]) -> float | None:
    """Return the standard deviation of all values of several groups, each given by mean, deviation, weight.

    It is that within the groups and that between their means together. Groups without either are left out.
    """
    known = [(m, spread, weight) for m, spread, weight in groups if m is not None and spread is not None]
    if len(known) < 2:
        return known[0][1] if known else None
    center = weighted_mean((mean, weight) for mean, _, weight in known) or 0.0
    squares = ((spread * spread + (mean - center) * (mean - center), w) for mean, spread, w in known)
    return math.sqrt(weighted_mean(squares) or 0.0)


def common_updates(ranks: Sequence[Mapping[int, _Measured]]) -> list[list[_Measured]]:
    """Return what all ranks measured in each update that every rank has made, lowest update first."""
    numbers = set.intersection(*map(set, ranks)) if ranks else set()
    return [[rank[number] for rank in ranks] for number in sorted(numbers)]


def _mean(values: list[float]) -> float:
    """Return a mean between the smallest and the largest value, so that equal values are their own mean."""
    mean = sum(value / len(values) for value in values)
    return mean if mean != mean else min(max(mean, values[0]), values[-1])


def _sum(values: list[float]) -> float:
    total = sum(values)
    return bounded_count(total) if isinstance(total, int) else total


_REDUCE: dict[Reduction, Callable[[list[float]], float]] = {
    Reduction.MEAN: _mean,
    Reduction.SUM: _sum,
    Reduction.MIN: lambda values: values[0],
    Reduction.MAX: lambda values: values[-1],
}
