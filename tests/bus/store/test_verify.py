"""Tests of the check of a run."""

import pytest

from esper_bus.paths import RunPaths
from esper_bus.records import Batch
from esper_bus.store.log_writer import LogWriter
from esper_bus.store.spool import SpoolWriter
from esper_bus.store.verify import ProducerCount, verify
from esper_schemas.codec import encode_event
from esper_schemas.errors import InvalidArgument
from esper_schemas.events import EventsDropped


@pytest.fixture
def run_dir(tmp_path):
    """The directory of a run."""
    return tmp_path / "run"


def log(run_dir, records, epoch=1):
    """Writes a log."""
    writer = LogWriter(run_dir, "run", epoch, 0)
    writer.extend(records)
    writer.close()


def spool(run_dir, key, batch):
    """Writes a spool."""
    writer = SpoolWriter(RunPaths(run_dir), key)
    writer.write(batch)
    writer.close()


def count(events, gaps=0, duplicates=0):
    """The expected counts of the stream."""
    return (ProducerCount(producer="host:0", epoch=0xE90C, events=events, gaps=gaps, duplicates=duplicates),)


def test_a_complete_run_is_ok(run_dir, records, batch, key):
    """Every event once, nothing damaged."""
    log(run_dir, records(0, 10))
    spool(run_dir, key, batch(0, 12))
    result = verify(run_dir)

    assert (result.ok, result.events, result.producers) == (True, 12, count(12))
    assert (result.dropped, result.rejected, result.unknown, result.damaged) == (0, 0, 0, ())


def test_missing_events_are_counted(run_dir, records):
    """At the beginning of a stream and inside it."""
    log(run_dir, records(2, 5) + records(9, 10))
    result = verify(run_dir)

    assert (result.ok, result.producers) == (False, count(4, gaps=6))


def test_double_events_are_counted(run_dir, records):
    """The log may hold an event only once."""
    log(run_dir, records(0, 6))
    log(run_dir, records(4, 8), epoch=2)
    result = verify(run_dir)

    assert (result.ok, result.events, result.producers) == (False, 8, count(8, duplicates=2))


def test_data_that_is_not_an_event_is_counted(run_dir, key):
    """An event that cannot be decoded is rejected; one of a later version is counted as unknown."""
    later = b"\x82\xa4type\xa5Later\xa1x\x01"
    spool(run_dir, key, Batch(0, [(1, later), (1, b"\xc1junk")]))
    result = verify(run_dir)

    assert (result.ok, result.unknown, result.rejected) == (False, 1, 1)


def test_reported_losses_are_summed(run_dir, key):
    """Events that a trainer reported as dropped do not make a run incomplete."""
    drops = [encode_event(EventsDropped(count=n, first_ns=1, last_ns=2)) for n in (3, 4)]
    spool(run_dir, key, Batch(0, [(1, data) for data in drops]))
    result = verify(run_dir)

    assert (result.ok, result.dropped) == (True, 7)


def test_damage_is_named(run_dir, records):
    """For a truncated log, the file and the kind of damage are reported."""
    log(run_dir, records(0, 10))
    (path,) = (run_dir / "log").iterdir()
    path.write_bytes(path.read_bytes()[:200])
    result = verify(run_dir)

    assert not result.ok
    assert [(damage.file, damage.what) for damage in result.damaged] == [
        (str(path), "the last write was cut short")
    ]


def test_a_directory_without_a_log_is_refused(tmp_path):
    """An empty directory is refused."""
    with pytest.raises(InvalidArgument, match="has no log"):
        verify(tmp_path)
