"""Everything that is intact in a damaged file is found; every damaged place is reported."""

import pytest

from esper_bus.mcap.event_channels import FileMeta
from esper_bus.mcap.event_writer import EventWriter
from esper_bus.mcap.reader import read_file
from esper_bus.mcap.salvage import salvage_file

CHUNKS = 6
META = FileMeta(kind="log", run="run", writer_epoch="1", created_ns=1)


@pytest.fixture
def written(tmp_path, records):
    """Writes a file of two events per chunk; returns it and the offset where each chunk begins."""

    def write(*, finished, compress=True):
        writer = EventWriter(tmp_path / "file.mcap", META, compress=compress)
        begins = []
        for first in range(0, 2 * CHUNKS, 2):
            writer.flush()
            begins.append(writer.size)
            writer.append(records(first, first + 2))
        writer.flush()
        writer.close() if finished else writer.abandon()
        return writer.path, begins

    return write


def salvaged(path):
    """The numbers of the events that are found, and the offsets of the damage."""
    damages = []
    numbers = [record.seq for record in salvage_file(path, damages.append)]
    return numbers, [damage.offset for damage in damages]


def flip(path, offset):
    """Flip a bit."""
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("finished", [False, True])
def test_an_intact_file_is_read_as_by_everybody_else(written, finished):
    """Without a report."""
    path, _ = written(finished=finished)

    assert salvaged(path) == ([record.seq for record in read_file(path)], [])


@pytest.mark.parametrize("finished", [False, True])
@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_one_damaged_chunk_costs_its_own_events(written, finished, compress, chunk):
    """Also the first one, which describes the stream: the summary or a later chunk describes it again."""
    path, begins = written(finished=finished, compress=compress)
    flip(path, begins[chunk] + 40)

    numbers, damages = salvaged(path)

    assert numbers == [seq for seq in range(2 * CHUNKS) if seq // 2 != chunk]
    assert damages == [begins[chunk]]


def test_every_damaged_place_is_reported(written):
    """The rest between and behind them is found."""
    path, begins = written(finished=True)
    flip(path, begins[1] + 40)
    flip(path, begins[4] + 40)

    assert salvaged(path) == ([0, 1, 4, 5, 6, 7, 10, 11], [begins[1], begins[4]])


def test_a_chunk_of_which_the_length_is_damaged_does_not_hide_the_next(written):
    """Intact chunks are searched for behind the damage, wherever it says that they are."""
    path, begins = written(finished=True)
    flip(path, begins[2] + 1)

    assert salvaged(path)[0] == [0, 1, 2, 3, 6, 7, 8, 9, 10, 11]


def test_inserted_and_removed_bytes_move_the_rest(written):
    """Nothing depends on offsets of the summary."""
    path, begins = written(finished=True)
    data = path.read_bytes()
    path.write_bytes(data[: begins[2]] + b"noise" + data[begins[2] : begins[4]] + data[begins[4] + 3 :])

    assert salvaged(path)[0] == [0, 1, 2, 3, 4, 5, 6, 7, 10, 11]


def test_a_torn_end_is_the_only_damage(written):
    """The last write did not finish; nothing is behind it."""
    path, begins = written(finished=False)
    path.write_bytes(path.read_bytes()[: begins[-1] + 40])

    assert salvaged(path) == (list(range(2 * CHUNKS - 2)), [begins[-1]])


@pytest.mark.parametrize("data", [b"", b"not an MCAP file", b"\x06" * 300])
def test_a_file_of_anything_else_is_one_damage(tmp_path, data):
    """Or none if it is empty."""
    path = tmp_path / "other.mcap"
    path.write_bytes(data)

    assert salvaged(path) == ([], [0] if data else [])


def test_a_file_that_cannot_be_read_is_reported(tmp_path):
    """With the reason of the system."""
    damages = []

    assert list(salvage_file(tmp_path / "missing.mcap", damages.append)) == []
    assert [damage.what for damage in damages] == ["unreadable (No such file or directory)"]
