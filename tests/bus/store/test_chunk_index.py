"""A chunk index finds where to start reading, and stays small."""

import pytest

from esper_bus.store.chunk_index import _SPACING_BYTES, ChunkIndex


def test_an_empty_index_finds_nothing():
    """Callers ask whether it is empty."""
    assert not ChunkIndex()
    with pytest.raises(IndexError):
        ChunkIndex().find(0)


@pytest.mark.parametrize(
    ("number", "found"),
    [(0, (10, 0)), (10, (10, 0)), (19, (10, 0)), (20, (20, _SPACING_BYTES)), (99, (30, 2 * _SPACING_BYTES))],
)
def test_it_finds_the_last_chunk_at_or_before_an_event(number, found):
    """Before the first noted chunk it finds that one."""
    index = ChunkIndex()
    for place, first in enumerate((10, 20, 30)):
        index.add(first, place * _SPACING_BYTES)

    assert index
    assert index.find(number) == found


def test_chunks_that_are_close_to_a_noted_one_are_left_out():
    """About one of them is noted for each 256 KiB of the file; reading skips the rest."""
    index = ChunkIndex()
    step = _SPACING_BYTES // 8
    for chunk in range(80):
        index.add(10 * chunk, chunk * step)

    assert len(index._offsets) == 10
    assert index.find(75) == (0, 0)
    assert index.find(80) == (80, _SPACING_BYTES)


def test_a_chunk_that_is_noted_again_changes_nothing():
    """Pages of a log are read more than once."""
    index = ChunkIndex()
    for _ in range(2):
        index.add(0, 0)
        index.add(10, _SPACING_BYTES)

    assert (index.find(5), index.find(10)) == ((0, 0), (10, _SPACING_BYTES))
