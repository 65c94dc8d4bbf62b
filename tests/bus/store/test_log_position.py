"""Positions in a log: reading from one skips the records before it, and one of another log is recognized."""

import pytest

from esper_bus.paths import RunPaths
from esper_bus.records import StreamKey
from esper_bus.store import log_writer
from esper_bus.store.log_position import read_after
from esper_bus.store.log_writer import LogWriter
from esper_bus.store.run_files import files_at, log_files
from esper_bus.store.spool import SpoolWriter


@pytest.fixture
def write(tmp_path):
    """Appends records to the log of one aggregator, a flush after each."""
    writers = {}

    def append(records, agg_epoch=1):
        if agg_epoch not in writers:
            writers[agg_epoch] = LogWriter(tmp_path, "run", agg_epoch, 0)
        for record in records:
            writers[agg_epoch].extend([record])
            writers[agg_epoch].flush()
        return writers[agg_epoch]

    yield append
    for writer in writers.values():
        writer.close()


def behind(position, tmp_path, expect):
    """The numbers of the events behind a position."""
    return [record.seq for record in read_after(position, log_files(tmp_path), expect)]


def test_only_events_behind_a_position_are_read(write, records, key, tmp_path):
    """Damage before the position does not matter."""
    position = write(records(0, 10)).end()
    write(records(10, 15))
    (path,) = log_files(tmp_path).logs
    path.write_bytes(bytes(100) + path.read_bytes()[100:])

    assert behind(position, tmp_path, {key: 10}) == [10, 11, 12, 13, 14]


def test_streams_and_files_that_begin_later_are_read(write, records, key, tmp_path):
    """So are the files of the next aggregator."""
    other = StreamKey("run", "host:1", 7)
    position = write(records(0, 10)).end()
    write(records(0, 3, stream=other))
    write(records(10, 12), agg_epoch=2)

    assert behind(position, tmp_path, {key: 10}) == [0, 1, 2, 10, 11]


def test_a_position_may_be_the_end_of_a_finished_file(write, records, key, tmp_path, monkeypatch):
    """The log continues in another file when one is full."""
    monkeypatch.setattr(log_writer, "LOG_FILE_BYTES", 1)
    position = write(records(0, 10)).end()

    assert behind(position, tmp_path, {key: 10}) == []
    assert position.is_in(log_files(tmp_path).logs)

    write(records(10, 12))

    assert len(position.files) == 10
    assert position.is_in(log_files(tmp_path).logs)
    assert behind(position, tmp_path, {key: 10}) == [10, 11]


def test_events_that_only_a_spool_has_come_last(write, records, key, tmp_path, spool):
    """The order is the same as if log and spools had been read from the beginning."""
    position = write(records(0, 10)).end()
    write(records(10, 12))
    spool(0, 15)
    read = [record.seq for record in read_after(position, files_at(tmp_path), {key: 10})]

    assert read == [10, 11, 12, 13, 14]


@pytest.fixture
def spool(tmp_path, key, batch):
    """Writes a spool."""

    def write(first, end):
        writer = SpoolWriter(RunPaths(tmp_path), key)
        writer.write(batch(first, end))
        writer.close()

    return write


@pytest.mark.parametrize("what", ["none", "grown", "cut", "other", "first grown", "first gone"])
def test_a_position_is_only_in_its_own_log(write, records, tmp_path, what):
    """The last file may have grown; after any other change it is another log."""
    write(records(0, 10)).close()
    position = write(records(10, 20), agg_epoch=2).end()
    first, last = log_files(tmp_path).logs
    if what == "grown":
        write(records(20, 30), agg_epoch=2)
    elif what == "cut":
        last.write_bytes(last.read_bytes()[:-1])
    elif what == "other":
        last.write_bytes(last.read_bytes()[:-1] + b"?")
    elif what == "first grown":
        first.write_bytes(first.read_bytes() + b"?")
    elif what == "first gone":
        first.unlink()

    assert position.is_in(log_files(tmp_path).logs) == (what in ("none", "grown"))
