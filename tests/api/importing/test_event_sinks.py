"""Tests of writing events without losing any."""

import pytest

from esper_bus.emit import emitter
from esper_bus.store.run_reader import read_raw
from esper_lite.importing import event_sinks
from esper_lite.importing.event_sinks import LiveSink, SpoolSink
from esper_schemas.errors import StorageError
from esper_schemas.events import ScalarsLogged

EVENTS = 30_000


@pytest.mark.parametrize("live", [False, True])
def test_more_events_than_a_queue_holds_are_all_recorded(tmp_path, monkeypatch, live):
    """Their times are those that were given."""
    monkeypatch.setattr(event_sinks, "MAX_EVENTS", 4000)
    monkeypatch.setattr(emitter, "MAX_EVENTS", 4000)
    run_dir = tmp_path / "run"
    sink = LiveSink("run", run_dir, None, None) if live else SpoolSink("run", run_dir)
    for number in range(EVENTS):
        sink.emit(ScalarsLogged(values={"a": float(number)}), number + 1)
    sink.close()

    assert [record.emitted_ns for record in read_raw(run_dir)] == list(range(1, EVENTS + 1))


def test_a_directory_that_cannot_be_written_is_one_sentence(tmp_path):
    """It is reported before anything is read."""
    (tmp_path / "file").touch()

    with pytest.raises(StorageError, match="choose another runs directory"):
        SpoolSink("run", tmp_path / "file")


def test_a_full_disk_ends_an_import(tmp_path, monkeypatch):
    """The sentence says what to do."""
    sink = SpoolSink("run", tmp_path / "run")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(sink._spool, "write", full)
    sink.emit(ScalarsLogged(values={"a": 1.0}), 1)
    with pytest.raises(StorageError, match="No space left on device"):
        sink.close()


def test_a_disk_that_takes_nothing_ends_a_follower(tmp_path, monkeypatch):
    """It waits for a while before; what was not read then is read by the next one."""
    monkeypatch.setattr(event_sinks, "MAX_EVENTS", 400)
    monkeypatch.setattr(event_sinks, "_PATIENCE_S", 0.2)
    sink = LiveSink("run", tmp_path / "run", None, None)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(sink._emitter._spool, "write", full)

    def emit_all():
        for number in range(5000):
            sink.emit(ScalarsLogged(values={"a": 1.0}), number + 1)

    with pytest.raises(StorageError, match="No space left on device"):
        emit_all()
    monkeypatch.undo()
    sink.close()
