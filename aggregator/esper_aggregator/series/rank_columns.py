"""One column of several ranks as one, reduced in each update as in a snapshot."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from esper_aggregator.fold.rank_reduction import pooled_deviation, reduce_values, weighted_mean
from esper_aggregator.fold.run_ranks import LEFT_BEHIND
from esper_aggregator.series.collected_rows import ROLLOUT_COLUMNS, SCALARS_PREFIX
from esper_aggregator.series.row_block import Floats, Integers, Mask
from esper_schemas.metrics.catalogue import CATALOGUE
from esper_schemas.metrics.metric import Reduction
from esper_schemas.policy_heads import OWN_FAMILIES, split_own

SUMMED_ROLLOUT_COLUMNS = ("steps_per_second", "env_steps_total")


class RankColumn(NamedTuple):
    """A column of one rank: each update once, rising, with the axis and the value there."""

    updates: Integers
    x: Floats
    values: Floats


class RankTable(NamedTuple):
    """A column of several ranks: one row for each update, one place for each rank that has a value."""

    updates: Integers
    x: Floats
    values: Floats
    measured: Mask


def last_of_each_update(updates: Integers, x: Floats, values: Floats) -> RankColumn:
    """Return the last value of each update."""
    order = np.argsort(updates, kind="stable")
    updates = updates[order]
    last = np.append(updates[1:] != updates[:-1], True) if len(updates) else np.empty(0, np.bool_)
    return RankColumn(updates[last], x[order][last], values[order][last])


def rank_table(columns: Sequence[RankColumn]) -> RankTable:
    """Return a table of the updates that all ranks have reached which are not left behind."""
    known = [column for column in columns if len(column.updates)]
    ends = [int(column.updates[-1]) for column in known]
    reached = min((end for end in ends if max(ends) - end < LEFT_BEHIND), default=0)
    updates = np.unique(np.concatenate([column.updates for column in known] or [np.empty(0, np.int64)]))
    updates = updates[updates <= reached]
    shape = (len(updates), len(columns))
    table = RankTable(updates, np.full(len(updates), -np.inf), np.zeros(shape), np.zeros(shape, np.bool_))
    for place, column in enumerate(columns):
        _fill(table, place, column)
    return table


def _fill(table: RankTable, place: int, column: RankColumn) -> None:
    within = column.updates <= table.updates[-1] if len(table.updates) else np.zeros(0, np.bool_)
    if not len(within):
        return
    rows = np.searchsorted(table.updates, column.updates[within])
    table.values[rows, place] = column.values[within]
    table.measured[rows, place] = True
    table.x[rows] = np.maximum(table.x[rows], column.x[within])


def reduction_of(name: str, own: Mapping[str, str]) -> Reduction:
    """Return how the values of several ranks become one; `own` has that of the run's own metrics."""
    if name in SUMMED_ROLLOUT_COLUMNS:
        return Reduction.SUM
    if name in CATALOGUE:
        return CATALOGUE[name].metric.over_ranks
    if name.startswith(SCALARS_PREFIX):
        return Reduction(own.get(name.removeprefix(SCALARS_PREFIX), Reduction.MEAN))
    split = split_own(name)
    return OWN_FAMILIES[split[1]].over_ranks if split else Reduction.MEAN


def is_weighted(name: str) -> bool:
    """Return whether a column is a mean over environments."""
    return name in ROLLOUT_COLUMNS and name not in SUMMED_ROLLOUT_COLUMNS


def reduced(table: RankTable, reduction: Reduction) -> Floats:
    """Return the reduced values of each update."""

    def of_all(values: Floats) -> Floats:
        ordered = np.sort(values, axis=1)
        if reduction in (Reduction.MIN, Reduction.MAX):
            return ordered[:, 0 if reduction is Reduction.MIN else -1]
        if reduction is Reduction.SUM:
            return _sum_of_columns(ordered)
        return _between(_sum_of_columns(ordered / ordered.shape[1]), ordered)

    return _by_rows(table, of_all, lambda row, _: reduce_values(reduction, row))


def weighted(table: RankTable, weights: Floats) -> Floats:
    """Return the mean of each update, weighted by the environments of the ranks."""
    return _by_rows(
        table,
        lambda values: _weighted_means(values, weights),
        lambda row, at: weighted_mean(zip(row, weights[at].tolist(), strict=True)),
    )


def pooled(deviations: RankTable, means: RankTable, weights: Floats) -> Floats:
    """Return the standard deviation of each update, within and between the ranks."""
    places = np.searchsorted(means.updates, deviations.updates).clip(max=max(len(means.updates) - 1, 0))
    result = np.full(len(deviations.updates), np.nan)
    for row, place in enumerate(places.tolist() if len(means.updates) else []):
        both = deviations.measured[row] & means.measured[place]
        groups = zip(means.values[place][both], deviations.values[row][both], weights[both], strict=True)
        value = pooled_deviation([(float(m), float(s), float(w)) for m, s, w in groups])
        result[row] = np.nan if value is None else value
    return result


def _by_rows(
    table: RankTable,
    of_all: Callable[[Floats], Floats],
    of_some: Callable[[list[float], Integers], float | None],
) -> Floats:
    """Reduce the rows that have finite values of all ranks at once, and the others one by one."""
    simple = table.measured.all(axis=1) & np.isfinite(table.values).all(axis=1)
    result = np.empty(len(table.updates))
    result[simple] = of_all(table.values[simple])
    for row in np.flatnonzero(~simple).tolist():
        at = np.flatnonzero(table.measured[row])
        value = of_some(table.values[row, at].tolist(), at)
        result[row] = np.nan if value is None else value
    return result


def _sum_of_columns(table: Floats) -> Floats:
    """Return the sums in the order of the columns, as `sum` computes them."""
    total = np.zeros(len(table))
    for place in range(table.shape[1]):
        total += table[:, place]
    return total


def _weighted_means(values: Floats, weights: Floats) -> Floats:
    order = np.lexsort((np.broadcast_to(weights, values.shape), values), axis=1)
    ordered = np.take_along_axis(values, order, axis=1)
    shares = (weights / _total(weights))[order]
    return _between(_sum_of_columns(ordered * shares), ordered)


def _total(weights: Floats) -> float:
    return float(sum(weights.tolist()))


def _between(means: Floats, ordered: Floats) -> Floats:
    return np.minimum(np.maximum(means, ordered[:, 0]), ordered[:, -1])
