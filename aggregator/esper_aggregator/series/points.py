"""The points of one column over an axis: what a chart of every value would show."""

from typing import NamedTuple

import numpy as np

from esper_aggregator.series.places import places_on, selected
from esper_aggregator.series.rank_columns import (
    RankColumn,
    RankTable,
    is_weighted,
    last_of_each_update,
    pooled,
    rank_table,
    reduced,
    reduction_of,
    weighted,
)
from esper_aggregator.series.row_block import Block, Floats, Mask, Values
from esper_aggregator.series.run_series import RunSeries
from esper_schemas.history import Axis

_STEPS = "env_steps_total"


class Points(NamedTuple):
    """Values over an axis that never falls."""

    x: Floats
    values: Floats


def points_of(series: RunSeries, name: str, axis: Axis) -> Points:
    """Return the points of a column; those that have no place on the axis are left out."""
    if axis == "env_step" and _STEPS in series.names:
        return _over_env_steps(series, points_of(series, name, "update"))
    if len(series.ranks) > 1:
        return _points_of_ranks(series, name, axis)
    x = series.whole_axis(axis)
    if x is not None and (values := _whole_column(series, name)) is not None:
        return Points(x, values)
    found = [piece for block in series.blocks if (piece := _piece(series, block, name, axis))]
    if not found:
        return Points(np.empty(0), np.empty(0))
    x = np.concatenate([piece.x for piece in found]) if len(found) > 1 else found[0].x
    values = np.concatenate([piece.values for piece in found]) if len(found) > 1 else found[0].values
    return _in_order(x, values)


def _whole_column(series: RunSeries, name: str) -> Floats | None:
    """Return a column that all rows have a value of; None for any other one."""
    columns = []
    for block in series.blocks:
        if block.length:
            column = block.column(name)
            if column is None or column.rows is not None:
                return None
            columns.append(column.values)
    return np.concatenate(columns) if columns else None


def _piece(series: RunSeries, block: Block, name: str, axis: Axis) -> Points | None:
    column = block.column(name)
    if column is None:
        return None
    rows, values = _counted(column, series.counted(block))
    x, placed = places_on(block, axis, rows)
    return Points(x, values) if placed is None else Points(x[placed], values[placed])


def _counted(column: Values, counted: Mask | None) -> tuple[Mask | None, Floats]:
    """Return the rows of a column that count, None for all, and their values."""
    if counted is None:
        return column.rows, column.values
    if column.rows is None:
        return counted, column.values[counted]
    return column.rows & counted, column.values[counted[column.rows]]


def _in_order(x: Floats, values: Floats) -> Points:
    if len(x) > 1 and not (x[1:] >= x[:-1]).all():
        order = np.argsort(x, kind="stable")
        return Points(x[order], values[order])
    return Points(x, values)


def _over_env_steps(series: RunSeries, points: Points) -> Points:
    """Place updates at the environment steps that were made by then; those before the first are left out."""
    steps = points_of(series, _STEPS, "update")
    if not len(steps.x):
        return Points(np.empty(0), np.empty(0))
    places = np.searchsorted(steps.x, points.x, side="right") - 1
    known = places >= 0
    return _in_order(steps.values[places[known]].astype(np.float64), points.values[known])


def _points_of_ranks(series: RunSeries, name: str, axis: Axis) -> Points:
    table = _table(series, name, axis)
    if name == "std_return":
        values = pooled(table, _table(series, "mean_return", axis), _weights(series))
    elif is_weighted(name):
        values = weighted(table, _weights(series))
    else:
        values = reduced(table, reduction_of(name, series.over_ranks))
    return _in_order(table.x, values)


def _table(series: RunSeries, name: str, axis: Axis) -> RankTable:
    return rank_table([_rank_column(series, name, axis, rank) for rank in series.ranks])


def _rank_column(series: RunSeries, name: str, axis: Axis, rank: int) -> RankColumn:
    updates, places, values = [], [], []
    for block in series.blocks:
        column = block.column(name)
        if column is None:
            continue
        counted, of_rank = series.counted(block), series.rank_of(block) == rank
        rows, found = _counted(column, of_rank if counted is None else counted & of_rank)
        x, placed = places_on(block, axis, rows)
        chosen = slice(None) if placed is None else placed
        updates.append(selected(block.key("update"), rows)[chosen])
        places.append(x[chosen])
        values.append(found[chosen])
    if not updates:
        return RankColumn(np.empty(0, np.int64), np.empty(0), np.empty(0))
    return last_of_each_update(np.concatenate(updates), np.concatenate(places), np.concatenate(values))


def _weights(series: RunSeries) -> Floats:
    """Return the environments of each rank, or 1 for all ranks if any of them has not given them."""
    counts = [
        next((p.environments for p in reversed(series.processes) if p.rank == rank), None) or 0
        for rank in series.ranks
    ]
    return np.array(counts if all(count > 0 for count in counts) else [1] * len(counts), dtype=np.float64)
