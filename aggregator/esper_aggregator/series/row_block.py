"""Rows of a series as columns of NumPy, in memory."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from esper_aggregator.series.collected_rows import KEYS, UPDATE_COLUMNS, CollectedRows, PackedPart, RowKey

Floats: TypeAlias = NDArray[np.floating[Any]]
"""Values as float64, or as float32 where that is exact."""
Integers: TypeAlias = NDArray[np.int64]
Mask: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Values:
    """The measured values of a column; `rows` is true for each row that has one, None if all of them have.

    A row without a value was not measured, which differs from a measured NaN.
    """

    values: Floats
    rows: Mask | None = None


class Block(Protocol):
    """Consecutive rows of a series, of which each key and column is read when it is needed."""

    @property
    def length(self) -> int:
        """The number of rows."""
        ...

    @property
    def names(self) -> Sequence[str]:
        """The columns that any row has a value of."""
        ...

    def key(self, name: str) -> Integers:
        """Return one key of all rows."""
        ...

    def column(self, name: str) -> Values | None:
        """Return a column; None if no row has a value of it."""
        ...


@dataclass(frozen=True, slots=True)
class RowBlock:
    """Rows in memory."""

    length: int
    keys: dict[str, Integers]
    columns: dict[str, Values]

    @property
    def names(self) -> Sequence[str]:
        """The columns that any row has a value of."""
        return tuple(self.columns)

    def key(self, name: str) -> Integers:
        """Return one key of all rows."""
        return self.keys[name]

    def column(self, name: str) -> Values | None:
        """Return a column; None if no row has a value of it."""
        return self.columns.get(name)


def block_of(collected: CollectedRows) -> RowBlock:
    """Return collected rows as columns."""
    length = len(collected)
    table = _key_table(collected.keys).reshape(length, len(KEYS))
    keys = {name: np.ascontiguousarray(table[:, place]) for place, name in enumerate(KEYS)}
    pieces = _packed_pieces(collected.packed)
    for names, part in collected.parts.items():
        rows = np.array(part.rows, dtype=np.int64)
        for name, at, values in _columns(names, rows, part.values):
            pieces.setdefault(name, []).append((at, values))
    return RowBlock(length, keys, {name: _joined(length, parts) for name, parts in pieces.items()})


def _packed_pieces(part: PackedPart) -> dict[str, list[tuple[Integers, Floats]]]:
    """Return the columns of packed updates: one piece each, as others may follow."""
    if not part.rows:
        return {}
    rows = np.array(part.rows, dtype=np.int64)
    table = np.frombuffer(b"".join(part.values), "<f8").reshape(len(rows), len(UPDATE_COLUMNS))
    matrix = np.ascontiguousarray(table.T).astype(np.float64, copy=False)
    return {name: [(rows, matrix[place])] for place, name in enumerate(UPDATE_COLUMNS)}


def _key_table(keys: Sequence[RowKey]) -> Integers:
    try:
        return np.array(keys, dtype=np.int64)
    except OverflowError:  # a trainer may count as it likes
        bounds = np.iinfo(np.int64)
        return np.array([[min(max(k, bounds.min), bounds.max) for k in key] for key in keys], dtype=np.int64)


def joined_blocks(blocks: Sequence[Block]) -> RowBlock:
    """Return consecutive blocks as one."""
    keys = {name: np.concatenate([block.key(name) for block in blocks]) for name in KEYS}
    names = dict.fromkeys(name for block in blocks for name in block.names)
    columns = {name: joined_column(blocks, name) for name in names}
    return RowBlock(sum(block.length for block in blocks), keys, columns)


def joined_column(blocks: Sequence[Block], name: str) -> Values:
    """Return one column of consecutive blocks."""
    found = [block.column(name) for block in blocks]
    values = np.concatenate([column.values for column in found if column] or [np.empty(0)])
    if all(column and column.rows is None for column in found):
        return Values(values)
    return Values(values, np.concatenate([_rows(b, c) for b, c in zip(blocks, found, strict=True)]))


def _rows(block: Block, column: Values | None) -> Mask:
    if column is None:
        return np.zeros(block.length, dtype=np.bool_)
    return np.ones(block.length, dtype=np.bool_) if column.rows is None else column.rows


def _columns(
    names: Sequence[str], rows: Integers, table: Sequence[tuple[Any, ...]]
) -> Iterator[tuple[str, Integers, Floats]]:
    """Yield each column that has values, with the rows that have them."""
    for name, column in zip(names, zip(*table, strict=True), strict=True):
        if column[0] is not None or column.count(None) < len(column):
            values = np.fromiter(column, np.float64, len(column))  # makes NaN of None
            measured = np.fromiter([value is not None for value in column], np.bool_, len(column))
            yield (name, rows, values) if measured.all() else (name, rows[measured], values[measured])


def _joined(length: int, parts: Sequence[tuple[Integers, Floats]]) -> Values:
    """Return a column that comes from one or several parts."""
    rows, values = parts[0]
    if len(parts) > 1:
        rows = np.concatenate([at for at, _ in parts])
        order = np.argsort(rows, kind="stable")
        rows, values = rows[order], np.concatenate([more for _, more in parts])[order]
    if len(rows) == length:
        return Values(values)
    mask = np.zeros(length, dtype=np.bool_)
    mask[rows] = True
    return Values(values, mask)
