"""A chunk: some rows with all their columns as one compressed block, as they are written first."""

import msgspec
import numpy as np
import zstandard

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
from esper_aggregator.series.row_block import Floats, RowBlock, Values

LEVEL = 1
"""The level of compression; higher ones take much longer and save little."""


class _ChunkColumn(msgspec.Struct, frozen=True, array_like=True):
    """A column: its name, its number of values, and whether it is exact in float32 and has all rows."""

    name: str
    count: int
    narrow: bool
    every_row: bool


class _Chunk(msgspec.Struct, frozen=True, array_like=True):
    """The content of a chunk; the values of its columns follow one another, narrow and wide ones apart."""

    length: int
    keys: tuple[bytes, ...]
    columns: tuple[_ChunkColumn, ...]
    narrow: bytes
    wide: bytes
    masks: bytes


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Chunk)
_compressor = zstandard.ZstdCompressor(level=LEVEL)


def encode_chunk(block: RowBlock) -> bytes:
    """Encode rows as a chunk."""
    columns = list(block.columns.items())
    flat = _joined([column.values for _, column in columns])
    narrow = _narrow(flat, [len(column.values) for _, column in columns])
    narrow_values = flat if all(narrow) else _joined(_only(columns, narrow, True))
    chunk = _Chunk(
        length=block.length,
        keys=tuple(encode_integers(block.key(name)) for name in KEYS),
        columns=tuple(
            _ChunkColumn(name, len(column.values), fits, column.rows is None)
            for (name, column), fits in zip(columns, narrow, strict=True)
        ),
        narrow=shuffled(narrow_values.astype("<f4")),
        wide=shuffled(_joined(_only(columns, narrow, False)).astype("<f8")),
        masks=b"".join(np.packbits(c.rows).tobytes() for _, c in columns if c.rows is not None),
    )
    return _compressor.compress(_encoder.encode(chunk))


def decode_chunk(data: bytes | memoryview) -> RowBlock:
    """Decode a chunk. Raises `ValueError`, `ZstdError` or `MsgspecError` for bytes that are not one."""
    chunk = _decoder.decode(decompressed(data))
    keys = zip(KEYS, chunk.keys, strict=True)
    values = {
        True: unshuffled(chunk.narrow, "<f4"),
        False: unshuffled(chunk.wide, "<f8"),
    }
    return RowBlock(
        chunk.length,
        {name: decode_integers(key, chunk.length) for name, key in keys},
        _columns(chunk, values),
    )


def _columns(chunk: _Chunk, values: dict[bool, Floats]) -> dict[str, Values]:
    """Return the columns of a chunk from their values one after another, by whether they are narrow."""
    size = (chunk.length + 7) // 8
    begins, mask_begin = {True: 0, False: 0}, 0
    columns: dict[str, Values] = {}
    for column in chunk.columns:
        begin, rows = begins[column.narrow], None
        if not column.every_row:
            rows = decode_mask(chunk.masks[mask_begin : mask_begin + size], chunk.length)
            mask_begin += size
        begins[column.narrow] += column.count
        found = values[column.narrow][begin : begin + column.count]
        columns[column.name] = Values(found, rows)
        if len(found) != (chunk.length if rows is None else np.count_nonzero(rows)):
            raise ValueError(f"the values of {column.name} do not fit its rows")
    return columns


def _narrow(flat: Floats, counts: list[int]) -> list[bool]:
    """Return which columns are exact in float32."""
    if not counts:
        return []
    begins = np.cumsum([0, *counts[:-1]])
    narrow: list[bool] = np.logical_and.reduceat(fits_float32(flat), begins).tolist()
    return narrow


def _only(columns: list[tuple[str, Values]], narrow: list[bool], wanted: bool) -> list[Floats]:
    return [column.values for (_, column), fits in zip(columns, narrow, strict=True) if fits is wanted]


def _joined(values: list[Floats]) -> Floats:
    return np.concatenate(values) if values else np.empty(0)
