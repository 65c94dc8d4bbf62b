"""Tests of the aggregator's log."""

import resource
import shutil

import pytest

from esper_bus.records import StreamKey
from esper_bus.store import log_writer as log_module
from esper_bus.store.log_writer import LogWriter
from esper_bus.store.run_files import file_meta, log_files
from esper_bus.store.run_reader import read_log, read_raw
from esper_schemas.errors import StorageError


@pytest.fixture
def run_dir(tmp_path):
    """The directory of a run."""
    return tmp_path / "run"


def write(run_dir, epoch, records, position=0):
    """A log by one start of an aggregator; returns its files."""
    log = LogWriter(run_dir, "run", epoch, position)
    log.extend(records)
    log.flush()
    log.close()
    return sorted((run_dir / "log").glob(f"{epoch:016x}-*.mcap"))


def test_a_log_gives_back_what_was_appended(run_dir, records):
    """All fields of the records survive, in order."""
    write(run_dir, 1, records(0, 20))

    assert list(read_raw(run_dir)) == records(0, 20)
    assert list(read_log(run_dir)) == records(0, 20)


def test_what_was_flushed_can_be_read_at_once(run_dir, records):
    """The file does not have to be closed, since an ACK follows the flush."""
    log = LogWriter(run_dir, "run", 1, 0)
    log.extend(records(0, 3))
    log.flush()
    found = list(read_raw(run_dir))
    log.close()

    assert found == records(0, 3)


def test_nothing_new_makes_no_file(run_dir):
    """An aggregator that starts and stops leaves no empty files."""
    log = LogWriter(run_dir, "run", 1, 0)
    log.flush()
    log.close()

    assert not run_dir.exists()
    assert list(read_log(run_dir)) == []


def test_a_log_is_rolled(run_dir, records, monkeypatch):
    """It continues in new files, and they are read as one log."""
    monkeypatch.setattr(log_module, "LOG_FILE_BYTES", 1)
    log = LogWriter(run_dir, "run", 1, 0)
    for start in range(0, 50, 10):
        log.extend(records(start, start + 10))
        log.flush()
    log.close()

    assert len(list((run_dir / "log").iterdir())) == 5
    assert list(read_raw(run_dir)) == records(0, 50)
    assert log.position == 50


def test_files_are_read_in_the_order_of_writing(run_dir, records):
    """The order of the random epochs does not matter."""
    for index, epoch in enumerate([9, 3, 0xFFFF, 1]):
        write(run_dir, epoch, records(10 * index, 10 * index + 10), position=10 * index)

    assert list(read_raw(run_dir)) == records(0, 40)


def test_streams_are_kept_apart(run_dir, records):
    """Interleaved trainers and epochs are read in the same order."""
    other, later = StreamKey("run", "host:1", 7), StreamKey("run", "host:0", 8)
    mixed = [
        record
        for trio in zip(records(0, 9), records(0, 9, other), records(0, 9, later), strict=True)
        for record in trio
    ]
    write(run_dir, 1, mixed)

    assert list(read_raw(run_dir)) == mixed


def test_a_full_disk_loses_nothing(run_dir, records):
    """A flush that failed may be tried again; until then nothing is in the log."""
    log = LogWriter(run_dir, "run", 1, 0)
    log.extend(records(0, 5))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, hard))
    try:
        with pytest.raises(StorageError, match="free space"):
            log.flush()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    while_full = list(read_log(run_dir))
    log.extend(records(5, 8))
    log.flush()
    log.close()

    assert while_full == []
    assert list(read_log(run_dir)) == records(0, 8)


def test_a_path_that_cannot_be_written_is_an_error(run_dir, records):
    """The error contains the file, the reason and what to do."""
    run_dir.write_text("not a directory")
    log = LogWriter(run_dir, "run", 1, 0)
    with pytest.raises(StorageError, match=r"Cannot write .* \(Not a directory\); free space or make it"):
        log.extend([records(0, 1)[0]])


@pytest.mark.parametrize("first", [0, 3, 6], ids=["flushed", "unflushed", "full"])
def test_a_deleted_log_continues_in_a_new_file(run_dir, records, first, monkeypatch, caplog):
    """Unflushed records are in the new file, once; flushed ones are lost, which is logged."""
    log = LogWriter(run_dir, "run", 1, 0)
    log.extend(records(0, 3))
    log.flush()
    if first:
        log.extend(records(3, 6))
    if first == 6:
        monkeypatch.setattr(log_module, "LOG_FILE_BYTES", 1)
    shutil.rmtree(run_dir)
    log.flush()
    log.extend(records(6, 8))
    log.flush()
    log.close()
    (meta, *_) = (file_meta(path) for path in log_files(run_dir).logs)

    assert list(read_raw(run_dir)) == records(3 if first else 6, 8)
    assert meta.first_position == 3
    assert not log.whole
    assert caplog.text.count("the log was deleted") == 1


def test_a_log_that_is_deleted_while_nothing_arrives_is_noticed(run_dir, records, monkeypatch, caplog):
    """A flush without new records checks that the file still exists."""
    monkeypatch.setattr(log_module, "SYNC_S", 0.0)
    log = LogWriter(run_dir, "run", 1, 0)
    log.extend(records(0, 3))
    log.flush()
    shutil.rmtree(run_dir)
    log.flush()

    assert not log.whole
    assert "the log was deleted" in caplog.text

    log.close()


def test_a_deleted_log_that_cannot_be_created_is_tried_again(run_dir, records):
    """Until a file can be created, `flush` raises, and no unflushed record is lost."""
    log = LogWriter(run_dir, "run", 1, 0)
    log.extend(records(0, 3))
    log.flush()
    log.extend(records(3, 6))
    shutil.rmtree(run_dir)
    run_dir.write_text("in the way")
    for _ in range(2):
        with pytest.raises(StorageError, match=r"Cannot write .*log"):
            log.flush()
    with pytest.raises(StorageError, match=r"Cannot write .*log"):
        log.extend(records(6, 8))
    run_dir.unlink()
    log.extend(records(6, 8))
    log.flush()
    log.close()

    assert list(read_raw(run_dir)) == records(3, 8)
