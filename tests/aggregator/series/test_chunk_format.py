"""Chunks and segments have the rows that were encoded."""

import contextlib

import pytest
from msgspec import MsgspecError
from tests.aggregator.series.series_rows import content, rows_of
from zstandard import ZstdError

from esper_aggregator.series.chunk_format import decode_chunk, encode_chunk
from esper_aggregator.series.collected_rows import KEYS
from esper_aggregator.series.row_block import RowBlock, joined_blocks
from esper_aggregator.series.segment_format import decode_column, decode_key, encode_segment


def test_a_chunk_has_the_rows_that_were_encoded():
    """Absent, NaN and infinite values stay apart, and no digit is lost."""
    rows = rows_of(500)

    assert content(decode_chunk(encode_chunk(rows))) == content(rows)


@pytest.mark.parametrize("count", [0, 1])
def test_a_chunk_may_have_no_row_or_one(count):
    """An index is written also if nothing was measured yet."""
    rows = rows_of(count)

    assert content(decode_chunk(encode_chunk(rows))) == content(rows)


def test_columns_that_are_exact_in_float32_take_half():
    """0.25 is, 0.1 is not; compression is not what makes the difference."""
    rows = rows_of(300)
    halves = RowBlock(rows.length, rows.keys, {"policy_loss": rows.columns["policy_loss"]})

    assert decode_chunk(encode_chunk(halves)).columns["policy_loss"].values.tolist() == [0.25] * 300


@pytest.mark.parametrize("place", range(0, 1500, 97))
def test_a_damaged_chunk_is_an_error_or_other_rows(place):
    """Whatever a byte becomes, no other exception than those of the parsers is raised."""
    data = bytearray(encode_chunk(rows_of(200)))
    data[place % len(data)] ^= 0xFF

    with contextlib.suppress(ValueError, ZstdError, MsgspecError):
        decode_chunk(bytes(data))


def test_a_segment_has_the_rows_of_its_chunks_column_by_column():
    """A column is read without the others."""
    chunks = [rows_of(300, seed=1), rows_of(200, first=300, seed=2), rows_of(100, first=500)]
    rows = joined_blocks(chunks)
    table, body = encode_segment(rows)
    asked = []

    def read(offset, size):
        asked.append(size)
        return body[offset : offset + size]

    columns = {name: decode_column(table.columns[name], rows.length, read) for name in table.columns}
    keys = {name: decode_key(table, name, rows.length, read) for name in KEYS}
    assert content(RowBlock(rows.length, keys, columns)) == content(*chunks)
    asked.clear()
    decode_column(table.columns["policy_loss"], rows.length, read)
    assert sum(asked) < len(body) / 10


def test_a_damaged_column_of_a_segment_is_an_error():
    """Its checksum is compared."""
    rows = rows_of(200)
    table, body = encode_segment(rows)
    damaged = bytes(len(body))

    with pytest.raises(ValueError, match="checksum"):
        decode_column(table.columns["entropy"], 200, lambda at, size: damaged[at : at + size])
