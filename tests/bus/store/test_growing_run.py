"""A run is read while it is written: what it has, then what is added, and no event twice."""

import pytest

from esper_bus.mcap.reader import CutShort
from esper_bus.paths import RunPaths
from esper_bus.records import StreamKey
from esper_bus.store.growing_run import Beginning, GrowingFile, GrowingRun
from esper_bus.store.log_writer import LogWriter
from esper_bus.store.spool import SpoolWriter
from esper_schemas.errors import InvalidArgument


@pytest.fixture
def run_dir(tmp_path):
    """The directory of a run."""
    return tmp_path / "run"


@pytest.fixture
def log(run_dir):
    """The log of the run."""
    log = LogWriter(run_dir, "run", 1, 0)
    yield log
    log.close()


def extend(log, records):
    """Append events to a log, as an aggregator does."""
    log.extend(records)
    log.flush()


def seqs(run):
    """The sequence numbers of what was added."""
    run.refresh()
    return [record.seq for record in run.read(1000)]


def test_what_is_added_is_read_once(log, records, run_dir):
    """A part at a time, and also from a file that the next aggregator begins."""
    extend(log, records(0, 5))
    run = GrowingRun(run_dir)

    assert [len(run.read(3)), len(run.read(3)), len(run.read(3))] == [3, 2, 0]
    extend(log, records(5, 7))
    assert seqs(run) == [5, 6]
    assert seqs(run) == []
    second = LogWriter(run_dir, "run", 2, 7)
    extend(second, records(7, 9))
    assert seqs(run) == [7, 8]
    second.close()


def test_only_new_bytes_are_read(log, records, run_dir, monkeypatch):
    """A file is read from where its last chunk ended; the chunk's index is behind that."""
    extend(log, records(0, 500))
    run = GrowingRun(run_dir)
    size = next(RunPaths(run_dir).log_dir.glob("*")).stat().st_size
    assert len(run.read(1000)) == 500
    offsets = []
    monkeypatch.setattr(
        "esper_bus.store.growing_run.read_chunks",
        lambda file, channels, offset, *_: offsets.append(offset) or iter(()),
    )

    assert seqs(run) == []
    extend(log, records(500, 501))
    seqs(run)

    assert len(offsets) == 1
    assert size // 2 < offsets[0] <= size


def test_a_run_is_read_from_a_position_on(log, records, run_dir):
    """The events before it are left out, also where the log goes on in another file."""
    extend(log, records(0, 4))
    position = log.end()
    extend(log, records(4, 6))
    run = GrowingRun(
        run_dir, beginning=Beginning.after(position, run_dir, {StreamKey("run", "host:0", 0xE90C): 4})
    )

    assert [record.seq for record in run.read(10)] == [4, 5]
    second = LogWriter(run_dir, "run", 2, 6)
    extend(second, records(6, 7))
    assert seqs(run) == [6]
    second.close()


def test_a_write_under_way_is_reported_once_and_read_later(log, records, run_dir, tmp_path):
    """At first it may be the end of a killed writer; afterwards the writer may still be at it."""
    extend(log, records(0, 2))
    path = next(RunPaths(run_dir).log_dir.glob("*"))
    whole = path.read_bytes()
    extend(log, records(2, 4))
    more = path.read_bytes()
    copy = tmp_path / "copy.mcap"
    copy.write_bytes(more[: len(whole) + 9])
    damages = []
    run = GrowingRun(copy, damages.append)

    assert [record.seq for record in run.read(10)] == [0, 1]
    copy.write_bytes(more[: len(whole) + 11])
    assert seqs(run) == []
    copy.write_bytes(more)
    assert seqs(run) == [2, 3]
    assert [type(damage) for damage in damages] == [CutShort]


def test_damage_behind_the_end_is_reported(log, records, run_dir, tmp_path):
    """What was added makes no sense: the events before it remain."""
    extend(log, records(0, 2))
    copy = tmp_path / "copy.mcap"
    copy.write_bytes(next(RunPaths(run_dir).log_dir.glob("*")).read_bytes())
    damages = []
    run = GrowingRun(copy, damages.append)
    assert len(run.read(10)) == 2

    copy.write_bytes(copy.read_bytes() + b"\x7f" * 100)

    assert seqs(run) == []
    assert [damage.file for damage in damages] == [str(copy)]


@pytest.mark.parametrize("change", ["removed", "shortened", "replaced"])
def test_a_log_that_is_not_the_same_any_more_is_noticed(log, records, run_dir, tmp_path, change):
    """Its events were read, and are not there any more."""
    extend(log, records(0, 2))
    path = tmp_path / "copy.mcap"
    data = next(RunPaths(run_dir).log_dir.glob("*")).read_bytes()
    path.write_bytes(data)
    run = GrowingRun(path)
    run.read(10)
    assert not run.replaced

    if change == "removed":
        path.unlink()
    elif change == "shortened":
        path.write_bytes(data[:100])
    else:
        other = tmp_path / "other.mcap"
        other.write_bytes(data)
        other.rename(path)
    run.refresh()

    assert run.replaced
    assert run.read(10) == []


def test_a_spool_that_is_removed_is_no_loss(log, records, run_dir, batch, key):
    """It is removed once the log has its events."""
    spool = SpoolWriter(RunPaths(run_dir), key)
    spool.write(batch(0, 3))
    run = GrowingRun(run_dir)
    assert len(run.read(10)) == 3
    extend(log, records(0, 4))

    spool.close()
    spool.path.unlink()

    assert seqs(run) == [3]
    assert not run.replaced


def test_a_path_without_a_recording_is_refused(tmp_path):
    """Rather than waited for."""
    (tmp_path / "empty").mkdir()

    with pytest.raises(InvalidArgument):
        GrowingRun(tmp_path / "empty")


def test_a_torn_end_is_read_once_it_is_whole(log, records, run_dir, tmp_path):
    """A file may be copied, or written by another machine, in parts."""
    extend(log, records(0, 2))
    path = next(RunPaths(run_dir).log_dir.glob("*"))
    size = path.stat().st_size
    extend(log, records(2, 3))
    copy = tmp_path / "copy.mcap"
    copy.write_bytes(path.read_bytes()[: size + 9])
    file = GrowingFile(copy)

    assert [record.seq for record in file.read()] == [0, 1]
    assert list(file.read()) == []
    copy.write_bytes(path.read_bytes())
    assert [record.seq for record in file.read()] == [2]
