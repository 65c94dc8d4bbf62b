"""A segment: many rows in which every column can be read without the others."""

from collections.abc import Callable
from zlib import crc32

import numpy as np
import zstandard

from esper_aggregator.series.chunk_format import LEVEL
from esper_aggregator.series.collected_rows import KEYS
from esper_aggregator.series.encoding import (
    decode_integers,
    decode_mask,
    decompressed,
    encode_integers,
    fits_float32,
    shuffled,
    unshuffled,
)
from esper_aggregator.series.row_block import Integers, RowBlock, Values
from esper_aggregator.series.segment_table import Extent, SegmentColumn, SegmentTable

ReadAt = Callable[[int, int], bytes]
"""Reads a number of bytes at an offset of a segment's body."""


class _Body:
    """The body of a segment while it is built."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self._size = 0
        self._compressor = zstandard.ZstdCompressor(level=LEVEL)

    def add(self, data: bytes) -> Extent:
        compressed = self._compressor.compress(data)
        extent = Extent(self._size, len(compressed), crc32(compressed))
        self.parts.append(compressed)
        self._size += len(compressed)
        return extent


def encode_segment(block: RowBlock) -> tuple[SegmentTable, bytes]:
    """Encode rows as the table and the body of a segment."""
    body = _Body()
    keys = tuple(body.add(encode_integers(block.key(name))) for name in KEYS)
    columns = {name: _encode_column(body, column) for name, column in block.columns.items()}
    return SegmentTable(keys, columns), b"".join(body.parts)


def _encode_column(body: _Body, column: Values) -> SegmentColumn:
    narrow = column.values.dtype == np.float32 or bool(fits_float32(column.values).all())
    values = body.add(shuffled(column.values.astype("<f4" if narrow else "<f8")))
    rows = None if column.rows is None else body.add(np.packbits(column.rows).tobytes())
    return SegmentColumn(values, narrow, rows)


def decode_key(table: SegmentTable, name: str, length: int, read: ReadAt) -> Integers:
    """Decode one key. Raises `ValueError`, or another error that damaged bytes cause."""
    return decode_integers(_read(table.keys[KEYS.index(name)], read), length)


def decode_column(column: SegmentColumn, length: int, read: ReadAt) -> Values:
    """Decode one column. Raises `ValueError`, or another error that damaged bytes cause."""
    rows = None if column.rows is None else decode_mask(_read(column.rows, read), length)
    values = unshuffled(_read(column.values, read), "<f4" if column.narrow else "<f8")
    if len(values) != (length if rows is None else np.count_nonzero(rows)):
        raise ValueError("the values of a column do not fit its rows")
    return Values(values, rows)


def _read(extent: Extent, read: ReadAt) -> bytes:
    data = read(extent.offset, extent.size)
    if crc32(data) != extent.checksum:
        raise ValueError("a column with a wrong checksum")
    return decompressed(data)
