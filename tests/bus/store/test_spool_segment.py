"""One file of a spool is written in whole batches and read from any event."""

import contextlib
import os

import pytest

from esper_bus.mcap.reader import read_file
from esper_bus.records import Batch
from esper_bus.store.run_files import file_meta
from esper_bus.store.spool_segment import Segment, size_of


@pytest.fixture
def segment(tmp_path, key):
    """File number 3 of a spool, for the events from 100 on."""
    segment = Segment(tmp_path / "host-0.3.mcap", key, 3, 100)
    yield segment
    with contextlib.suppress(OSError):  # a test may have finished it
        segment.abandon()


def test_a_new_file_describes_itself_before_its_first_event(segment, key):
    """A reader that finds it empty knows its run, its place in the spool and its first event."""
    meta = file_meta(segment.path)

    assert (meta.kind, meta.run, meta.ordinal, meta.first_position) == ("spool", key.run, 3, 100)
    assert (segment.empty, segment.end) == (True, 100)
    assert list(segment.read_from(0)) == []


def test_events_are_readable_as_soon_as_they_are_written(segment, batch):
    """By anybody who opens the file."""
    segment.write(batch(100, 103))
    segment.write(batch(103, 104))

    assert not segment.empty
    assert segment.end == 104
    assert Batch.of(100, list(read_file(segment.path))) == batch(100, 104)
    assert segment.size == segment.path.stat().st_size


@pytest.mark.parametrize("first", [0, 100, 101, 399, 400])
def test_reading_starts_at_any_event(segment, batch, first):
    """At one before the file it starts with the file, behind the last one there is nothing."""
    for begin in range(100, 400, 50):
        segment.write(batch(begin, begin + 50))

    assert [record.seq for record in segment.read_from(first)] == list(range(max(100, first), 400))


def test_events_are_within_the_announced_size(segment, batch):
    """The quota is checked before a file is written."""
    before = segment.size
    events = batch(100, 164)
    segment.write(events)

    assert segment.size - before <= size_of(events.entries)
    assert size_of([]) == 0


def test_a_failed_write_adds_nothing_and_may_be_repeated(segment, batch, monkeypatch):
    """The file keeps its last whole batch."""
    segment.write(batch(100, 101))
    with monkeypatch.context() as full_disk:

        def fail(*_):
            raise OSError(28, "No space left on device")

        full_disk.setattr(os, "writev", fail)
        full_disk.setattr(os, "pwritev", fail, raising=False)
        full_disk.setattr(os, "write", fail)
        with pytest.raises(OSError, match="No space left"):
            segment.write(batch(101, 103))
    assert segment.end == 101

    segment.write(batch(101, 102))
    assert Batch.of(100, list(segment.read_from(100))) == batch(100, 102)


def test_a_file_that_cannot_be_created_leaves_nothing(tmp_path, key):
    """The spool tries again later."""
    (tmp_path / "host-0.mcap").mkdir()

    with pytest.raises(OSError, match="exists"):
        Segment(tmp_path / "host-0.mcap", key, 0, 0)

    assert [path.name for path in tmp_path.iterdir()] == ["host-0.mcap"]


def test_a_deleted_file_is_noticed(segment, batch):
    """Events that are written to it would be lost."""
    segment.write(batch(100, 101))
    segment.check()
    segment.path.unlink()

    with pytest.raises(OSError, match="deleted"):
        segment.check()


def test_a_finished_file_has_an_index(segment, batch):
    """Its events are those of the unfinished one."""
    segment.write(batch(100, 102))
    unfinished = segment.size
    segment.finish()

    assert segment.path.stat().st_size > unfinished
    assert Batch.of(100, list(read_file(segment.path))) == batch(100, 102)
