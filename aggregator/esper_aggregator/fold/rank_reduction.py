"""Reduces the measurements of several ranks to one; the result does not depend on the order of the ranks."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from esper_aggregator.fold.size_limits import bounded_count
from esper_schemas.metrics.catalogue import CATALOGUE, QUANTITIES
from esper_schemas.metrics.metric import Reduction
from esper_schemas.payload import PPOMetrics, PPOUpdatePayload


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


def common_updates(ranks: Sequence[Mapping[int, PPOMetrics]]) -> list[list[PPOMetrics]]:
    """Return the payloads of all ranks for each update that every rank has made, lowest update first."""
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
