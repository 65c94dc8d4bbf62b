"""Files are followed while they grow: recorded events first, then new ones, each once."""

import threading
import time

import pytest

from esper_bus.paths import RunPaths
from esper_bus.store.file_events import FileEvents
from esper_bus.store.log_writer import LogWriter
from esper_bus.store.spool import SpoolWriter
from esper_schemas.errors import InvalidArgument


@pytest.fixture
def run_dir(tmp_path):
    """The directory of a run."""
    return tmp_path / "run"


@pytest.fixture
def spool(run_dir, key):
    """The spool of a trainer."""
    spool = SpoolWriter(RunPaths(run_dir), key)
    yield spool
    spool.close()


def seqs(events):
    """The sequence numbers of what is read now."""
    return [record.seq for record in events.read(0)]


def test_recorded_events_are_followed_by_new_ones(spool, batch, run_dir):
    """`position` counts them."""
    spool.write(batch(0, 3))
    events = FileEvents(run_dir, 0)

    assert seqs(events) == [0, 1, 2]
    assert seqs(events) == []
    spool.write(batch(3, 5))
    assert [record.seq for record in events.read(5.0)] == [3, 4]
    assert events.position == 5
    events.close()


def test_events_that_the_log_takes_over_are_not_repeated(spool, batch, run_dir, records):
    """An aggregator was started, which logs what the spool has, and then more."""
    spool.write(batch(0, 3))
    events = FileEvents(run_dir, 0)
    assert seqs(events) == [0, 1, 2]

    log = LogWriter(run_dir, "run", 1, 0)
    log.extend(records(0, 5))
    log.flush()

    assert [record.seq for record in events.read(5.0)] == [3, 4]
    log.close()


@pytest.mark.parametrize(("start", "left"), [(0, [0, 1, 2]), (2, [2]), (3, []), (9, [])])
def test_the_first_events_can_be_left_out(spool, batch, run_dir, start, left):
    """Also such as are not there yet."""
    spool.write(batch(0, 3))
    events = FileEvents(spool.path, start)

    assert seqs(events) == left
    assert events.position == 3
    spool.write(batch(3, 10))
    assert [record.seq for record in events.read(5.0)] == list(range(max(3, start), 10))


def test_present_events_can_be_skipped(spool, batch, run_dir):
    """Only new ones follow."""
    spool.write(batch(0, 600))
    events = FileEvents(run_dir, 0)
    events.skip_to_end()
    spool.write(batch(600, 601))

    assert [record.seq for record in events.read(5.0)] == [600]


def test_waiting_ends_with_the_first_event(spool, batch, run_dir):
    """And not after the timeout, which is long here."""
    spool.write(batch(0, 1))
    events = FileEvents(run_dir, 1)
    writer = threading.Timer(0.1, spool.write, [batch(1, 2)])
    writer.start()
    begin = time.monotonic()

    assert [record.seq for record in events.read(60.0)] == [1]
    assert time.monotonic() - begin < 30
    writer.join()


def test_a_path_without_a_recording_is_refused(tmp_path):
    """Rather than waited for."""
    (tmp_path / "empty").mkdir()

    with pytest.raises(InvalidArgument):
        FileEvents(tmp_path / "empty", 0)
