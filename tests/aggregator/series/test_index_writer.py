"""An index on disk has what was written, and fewer rows after damage, but never other ones."""

import os
import random

import pytest
from tests.aggregator.series.series_rows import content, rows_of

from esper_aggregator.series import index_writer
from esper_aggregator.series.collected_rows import Process
from esper_aggregator.series.frames import Coverage, FrameKind
from esper_aggregator.series.index_files import RECENT, SEGMENTS, coverage_of, read_index
from esper_aggregator.series.index_writer import IndexWriter
from esper_aggregator.series.stored_blocks import DamagedIndexError, block_at

VERSION = 7


@pytest.fixture(autouse=True)
def small_segments(monkeypatch):
    """Segments of 100 rows, so that tests have several of them."""
    monkeypatch.setattr(index_writer, "SEGMENT_ROWS", 100)


def covering(records):
    """What is known after some records."""
    return Coverage(records=records, processes=(Process("trainer:0", 1),), over_ranks={"own": "max"})


def stored(directory, version=VERSION):
    """The content of an index."""
    return content(*[block_at(found) for found in read_index(directory, version)])


@pytest.fixture
def written(tmp_path):
    """An index of 25 chunks, the last of which is a temporary one, and all its blocks."""
    writer, blocks, first = IndexWriter(tmp_path / "log", VERSION, []), [], 0
    for _ in range(24):
        blocks.append(rows_of(17, first=first))
        first += 17
        writer.append(blocks[-1], covering(first))
    writer.write_tail(rows_of(3, first=first), covering(first + 3))
    blocks.append(rows_of(5, first=first))
    writer.write_tail(blocks[-1], covering(first + 5))
    return tmp_path / "log", blocks


def test_an_index_has_the_rows_that_were_written(written):
    """Chunks have become segments; the last temporary rows replaced the ones before."""
    directory, blocks = written
    found = read_index(directory, VERSION)

    assert stored(directory) == content(*blocks)
    assert {frame.frame.kind for frame in found} == set(FrameKind)
    assert coverage_of(found) == covering(24 * 17 + 5)


def test_writing_continues_where_an_index_ends(written):
    """Also after temporary rows, which then remain."""
    directory, blocks = written
    for _ in range(12):
        writer = IndexWriter(directory, VERSION, read_index(directory, VERSION))
        blocks.append(rows_of(9, first=24 * 17 + 5 + 9 * len(blocks)))
        writer.append(blocks[-1], covering(1000))

    assert stored(directory) == content(*blocks)


def test_a_torn_write_leaves_the_rows_before_it(written):
    """Cut at any place, the rows of an index are the first ones; writing continues behind them."""
    directory, blocks = written
    dice = random.Random(4)
    prefixes = {content(*blocks_of_rows(blocks, count)) for count in range(rows_in(blocks) + 1)}
    for name in (RECENT, SEGMENTS):
        while size := (directory / name).stat().st_size:
            os.truncate(directory / name, dice.randrange(size))
            assert stored(directory) in prefixes
    writer = IndexWriter(directory, VERSION, read_index(directory, VERSION))
    writer.append(blocks[0], covering(17))
    assert stored(directory) == content(blocks[0])


def rows_in(blocks):
    """The number of all rows."""
    return sum(block.length for block in blocks)


def blocks_of_rows(blocks, count):
    """The blocks that lie within the first rows."""
    found = []
    for block in blocks:
        count -= block.length
        if count < 0:
            break
        found.append(block)
    return found


def test_an_index_of_another_version_is_none(written):
    """What it says may have another meaning."""
    assert read_index(written[0], VERSION + 1) == []


@pytest.mark.parametrize("name", [RECENT, SEGMENTS])
def test_what_is_not_an_index_is_none(written, name):
    """Neither a text nor a directory is an error."""
    directory, _ = written
    (directory / SEGMENTS).unlink()
    (directory / RECENT).unlink()
    (directory / name).write_text("Dear diary,")

    assert read_index(directory, VERSION) == []


def test_a_pipe_in_place_of_an_index_blocks_nobody(tmp_path):
    """It is passed over at once."""
    os.mkfifo(tmp_path / RECENT)

    assert read_index(tmp_path, VERSION) == []


@pytest.mark.parametrize("name", [RECENT, SEGMENTS])
def test_flipped_bits_are_found_when_the_rows_are_read(written, name):
    """Each byte of a body is part of a checksum, and each byte of a head ends the file."""
    directory, blocks = written
    whole = (directory / name).read_bytes()
    expected = content(*blocks)
    for place in range(40, len(whole), 997):
        damaged = bytearray(whole)
        damaged[place] ^= 1
        (directory / name).write_bytes(damaged)
        try:
            found = stored(directory)
        except DamagedIndexError:
            continue
        assert found != expected
        assert len(found) < len(expected)


def test_a_kill_between_segment_and_chunks_repeats_no_row(written):
    """The chunks that became a segment may still be there."""
    directory, blocks = written
    recent = (directory / RECENT).read_bytes()
    writer = IndexWriter(directory, VERSION, read_index(directory, VERSION))
    more = rows_of(95, first=24 * 17 + 5)
    writer.append(more, covering(24 * 17 + 100))
    (directory / RECENT).write_bytes(recent)  # as it was before the chunks were removed

    assert stored(directory) == content(*blocks, more)


def test_an_index_that_was_deleted_meanwhile_is_an_error_for_its_writer(written):
    """A file that began in the middle would be taken for damage by every reader."""
    directory, _ = written
    writer = IndexWriter(directory, VERSION, read_index(directory, VERSION))
    (directory / RECENT).unlink()

    with pytest.raises(DamagedIndexError):
        writer.append(rows_of(5), covering(1000))
