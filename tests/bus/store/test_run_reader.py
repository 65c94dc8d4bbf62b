"""Tests of reading runs: the log and the spools together, each event once."""

import pytest

from esper_bus.net.subscription import subscribe
from esper_bus.paths import RunPaths
from esper_bus.records import Batch, StreamKey
from esper_bus.store.log_writer import LogWriter
from esper_bus.store.run_reader import read_raw, read_records, run_name
from esper_bus.store.spool import SpoolWriter
from esper_bus.store.verify import verify
from esper_schemas.errors import InvalidArgument, StorageError
from esper_schemas.events import EpisodeCompleted


@pytest.fixture
def run_dir(tmp_path):
    """The directory of a run."""
    return tmp_path / "run"


@pytest.fixture
def spooled(run_dir, batch, key):
    """Writes a spool with the events before `end`, or with those of a batch."""

    def write(end, stream=key):
        spool = SpoolWriter(RunPaths(run_dir), stream)
        spool.write(batch(0, end) if isinstance(end, int) else end)
        spool.close()
        return spool.path

    return write


@pytest.fixture
def logged(run_dir):
    """Writes a log file with these records."""
    epochs = iter(range(1, 100))

    def write(records):
        log = LogWriter(run_dir, "run", next(epochs), 0)
        log.extend(records)
        log.flush()
        log.close()
        return max((run_dir / "log").iterdir(), key=lambda path: path.name)

    return write


def seqs(run_dir):
    """The numbers of a run's events."""
    return [record.seq for record in read_raw(run_dir)]


def test_a_run_without_an_aggregator_is_its_spools(run_dir, spooled, batch):
    """All events of its spools are read."""
    spooled(5)

    assert Batch.of(0, list(read_raw(run_dir))) == batch(0, 5)


def test_log_and_spool_are_read_once(run_dir, spooled, logged, records):
    """Events in both are read from the log; those that only the spool has follow."""
    spooled(10)
    logged(records(0, 6))
    found = list(read_raw(run_dir))

    assert found[:6] == records(0, 6)
    assert [record.seq for record in found] == list(range(10))


def test_holes_of_the_log_are_filled_in_their_place(run_dir, spooled, logged, records):
    """A stream stays in its order even where a log file was damaged."""
    spooled(20)
    logged(records(0, 5))
    logged(records(9, 12))

    assert seqs(run_dir) == list(range(20))


def test_events_that_were_logged_twice_are_read_once(run_dir, logged, records):
    """An event is identified by its stream and number."""
    logged(records(0, 8))
    logged(records(5, 10))

    assert seqs(run_dir) == list(range(10))


def test_streams_that_only_spools_have_are_merged_by_time(run_dir, spooled):
    """The events of two ranks are read in the order in which they were emitted."""
    even, odd = (Batch(0, [(first + 2 * seq, b"event") for seq in range(4)]) for first in (1000, 1001))
    spooled(even)
    spooled(odd, StreamKey("run", "host:1", 9))
    found = list(read_raw(run_dir))

    assert [record.emitted_ns for record in found] == list(range(1000, 1008))


def test_a_torn_copy_of_a_spool_adds_nothing(run_dir, spooled):
    """It was made while the spool grew."""
    path = spooled(10)
    torn = path.read_bytes()
    path.with_name("copy.mcap").write_bytes(torn[: len(torn) // 2])

    assert seqs(run_dir) == list(range(10))


def test_damage_is_reported_and_the_spool_replaces_it(run_dir, spooled, logged, records):
    """A flipped bit in the log loses no events while the spool exists."""
    spooled(10)
    path = logged(records(0, 10))
    data = bytearray(path.read_bytes())
    data[300] ^= 1
    path.write_bytes(data)
    damage = []
    found = [record.seq for record in read_raw(run_dir, damage.append)]

    assert found == list(range(10))
    assert [d.file for d in damage] == [str(path)]


def test_one_file_is_read_as_it_is(spooled, logged, records):
    """A file may begin in the middle of a stream."""
    path = logged(records(5, 9))

    assert [record.seq for record in read_raw(path)] == [5, 6, 7, 8]


def test_records_are_decoded(run_dir, spooled, episode):
    """`read_records` returns events, not bytes."""
    spooled(3)
    found = list(read_records(run_dir))

    assert [record.event for record in found] == [episode(0), episode(1), episode(2)]
    assert isinstance(found[0].event, EpisodeCompleted)


def test_a_run_is_named_by_its_files(run_dir, spooled):
    """The name of its directory does not matter; a single file contains the name too."""
    path = spooled(3)
    renamed = run_dir.rename(run_dir.with_name("renamed"))

    assert run_name(renamed) == "run"
    assert run_name(renamed / "spool" / path.name) == "run"


def test_a_missing_run_is_an_error(tmp_path):
    """The error contains the reason and what to do."""
    with pytest.raises(
        StorageError, match=r"Cannot read .*nothing \(No such file or directory\); choose a run"
    ):
        read_raw(tmp_path / "nothing")


def test_an_empty_file_is_refused(tmp_path):
    """It is not treated as an intact log without events."""
    (tmp_path / "empty.mcap").touch()
    with pytest.raises(InvalidArgument, match="is empty: nothing was recorded"):
        read_raw(tmp_path / "empty.mcap")


def test_a_file_that_is_not_a_log_is_refused(tmp_path):
    """A text file is refused."""
    (tmp_path / "notes.txt").write_text("These are notes.")
    with pytest.raises(InvalidArgument, match="is not an MCAP log"):
        read_raw(tmp_path / "notes.txt")


def test_a_directory_without_a_log_is_refused(tmp_path):
    """An empty directory is refused."""
    with pytest.raises(InvalidArgument, match="has no log of a run"):
        read_raw(tmp_path)


def test_the_error_for_a_directory_of_runs_names_one(run_dir, spooled):
    """The error for a directory of runs contains the path of a run."""
    spooled(1)
    with pytest.raises(InvalidArgument, match=f"choose one of its runs, e.g. {run_dir}"):
        read_raw(run_dir.parent)


def test_foreign_files_in_a_run_are_damage(run_dir, spooled):
    """A text file is reported as damage, and the rest is read."""
    path = spooled(3)
    path.with_name("a.mcap").write_text("These are notes.")
    path.with_name("b.mcap").touch()
    damage = []

    assert [record.seq for record in read_raw(run_dir, damage.append)] == [0, 1, 2]
    assert [d.what for d in damage] == ["not an MCAP file"]


def test_a_path_that_cannot_be_read_is_an_error(tmp_path):
    """The name is longer than a file name can be."""
    path = tmp_path / ("x" * 300)
    for read in (read_raw, run_name, verify, subscribe):
        with pytest.raises(StorageError, match=r"Cannot read .* choose another path"):
            read(path)
