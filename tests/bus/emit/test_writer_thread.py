"""Tests of the thread that writes and sends events: a real queue and spool, and a disk that fails."""

import errno
import time

import pytest
import zmq

from esper_bus.emit import writer_thread as module
from esper_bus.emit.emit_queue import EmitQueue
from esper_bus.emit.writer_thread import WriterThread
from esper_bus.net.uplink import Uplink
from esper_bus.paths import RunPaths
from esper_bus.store.run_reader import read_records
from esper_bus.store.spool import SpoolWriter
from esper_schemas.events import LogRecorded


@pytest.fixture
def queue():
    """An empty queue."""
    return EmitQueue(1000, 10**6)


@pytest.fixture
def spool(tmp_path, key):
    """A new spool."""
    return SpoolWriter(RunPaths(tmp_path / "run"), key)


@pytest.fixture
def writer(queue, spool, key):
    """A thread that was not started, without an aggregator."""
    return WriterThread(key, queue, spool, None)


@pytest.fixture
def disk(spool, monkeypatch):
    """Makes the disk full, and free again."""
    write, full = spool.write, []

    def limited(*args):
        if full:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(*args)

    monkeypatch.setattr(spool, "write", limited)
    return full


def stop(writer):
    """End a started thread."""
    writer.stop(time.monotonic() + 5.0)
    writer.join(30.0)
    assert not writer.is_alive()


def events(tmp_path):
    """The events in the spool."""
    return [record.event for record in read_records(tmp_path / "run")]


def test_events_are_written(writer, queue, episode, tmp_path, until):
    """Events are written that were put before the start, while the thread ran, and just before its end."""
    queue.put(episode(0))
    writer.start()
    until(lambda: writer.spooled == 1)
    queue.put(episode(1))
    until(lambda: writer.spooled == 2)
    queue.put(episode(2))
    stop(writer)

    assert events(tmp_path) == [episode(number) for number in range(3)]
    assert (writer.spooled, writer.acknowledged, writer.held, writer.errors) == (3, 0, 0, 0)


def test_losses_are_written_after_the_events(writer, queue, episode, tmp_path):
    """The report of the dropped events follows the last event."""
    for number in range(1001):
        queue.put(episode(number))
    writer.start()
    stop(writer)
    *kept, losses = events(tmp_path)

    assert kept == [episode(number) for number in range(1000)]
    assert losses.count == 1
    assert writer.spooled == 1001


def test_a_full_disk_is_reported_in_the_stream(writer, queue, episode, tmp_path, until, disk, monkeypatch):
    """Events are held in memory until there is space; the stream has a warning and its resolution."""
    monkeypatch.setattr(module, "_RETRY_SPOOL_S", 0.01)
    monkeypatch.setattr(module, "_SETTLED_S", 0.05)
    disk.append("full")
    writer.start()
    queue.put(episode(0))
    problem = until(lambda: writer.problem)
    held = writer.held
    disk.clear()
    until(lambda: writer.spooled == 3)
    stop(writer)

    assert problem == f"Cannot write {next((tmp_path / 'run' / 'spool').glob('*.mcap'))} " + (
        "(No space left on device); free space."
    )
    assert held == 1
    assert writer.problem == ""
    assert events(tmp_path) == [
        episode(0),
        LogRecorded(level="warning", message=f"cannot write the spool; events are kept in memory: {problem}"),
        LogRecorded(level="info", message="resolved: cannot write the spool; events are kept in memory"),
    ]


def test_events_held_because_of_a_full_disk_can_be_dropped(writer, queue, episode, until, disk):
    """After the end `drop_held` drops them; the thread's own reports are not counted."""
    disk.append("full")
    writer.start()
    for number in range(5):
        queue.put(episode(number))
    until(lambda: writer.held == 5)
    stop(writer)

    assert writer.drop_held() == 5
    assert writer.held == 0


def test_an_unexpected_error_does_not_end_the_thread(
    writer, queue, spool, episode, tmp_path, until, monkeypatch
):
    """The error is counted, and the events are written at the next attempt."""
    write, failed = spool.write, []

    def fail_once(*args):
        if not failed:
            failed.append(True)
            raise ValueError("unexpected")
        write(*args)

    monkeypatch.setattr(spool, "write", fail_once)
    writer.start()
    queue.put(episode(0))
    until(lambda: writer.errors == 1)
    queue.put(episode(1))
    stop(writer)

    assert events(tmp_path) == [episode(0), episode(1)]


def test_an_event_between_the_last_poll_and_the_request_for_a_wake_up_is_seen(writer, queue, spool, episode):
    """Requesting a wake-up checks the queue once more."""
    queue.put(episode(0))
    writer._request_wake_up(5.0)
    spool.close()

    assert writer._polling.is_due(5.0)


def test_a_queue_that_fills_up_comes_before_the_socket(queue, spool, key, episode, tmp_path):
    """If the queue is more than half full, its events are written before anything is sent."""
    address = f"ipc://{tmp_path}/ingest"
    writer = WriterThread(key, queue, spool, address)
    with zmq.Context() as context, context.socket(zmq.ROUTER) as aggregator:
        aggregator.bind(address)
        writer._uplink = uplink = Uplink(address, key, writer._buffer, writer._log)
        for number in range(600):
            queue.put(episode(number))

        def received():
            writer._maintain(time.monotonic())
            return aggregator.poll(20) != 0

        early = any(received() for _ in range(10))
        writer._drain(time.monotonic())
        later = any(received() for _ in range(250))
        uplink.close()
    spool.close()

    assert (early, later, writer.spooled) == (False, True, 600)
