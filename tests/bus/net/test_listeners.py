"""The descriptors and the memory that peers can use up are bounded: real sockets, a real limit of files."""

import socket
import time
from contextlib import ExitStack

import pytest
import zmq
from benchmarks.ports import free_ports

from esper_bus.addresses import Endpoints, ipc_path, parse
from esper_bus.auth.key_directory import add_client, create_server_keys
from esper_bus.auth.keys import load_client_keys
from esper_bus.emit.emitter import Emitter
from esper_bus.host.resources import raise_fd_limit
from esper_bus.net.listeners import Listeners
from esper_bus.net.server import BusServer
from esper_bus.net.sockets import bind_again
from esper_schemas.events import LogRecorded

FEW = """
import resource, sys
from pathlib import Path
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
from esper_bus.net import listeners
from esper_bus.addresses import for_runs_dir
listeners.reserved_files = lambda: 3500  # so that a busy machine still accepts too many
listeners = listeners.Listeners(for_runs_dir(Path(sys.argv[1])), None)
print("ready", flush=True)
while True:
    listeners.wait(0.05)
"""


@pytest.fixture
def peer(endpoints):
    """A socket that sends to the ingest address."""
    context = zmq.Context()
    peer = context.socket(zmq.DEALER)
    peer.connect(endpoints.ingest)
    yield peer
    peer.close(linger=0)
    context.term()


@pytest.mark.process
def test_no_connection_is_accepted_while_descriptors_are_scarce(python, runs_dir, endpoints, until):
    """With more peers than descriptors libzmq would abort; instead, peers are refused until others leave."""
    process = python(FEW, runs_dir)
    assert process.stdout.readline() == "ready\n"
    raise_fd_limit()
    with ExitStack() as peers:
        accepted = (is_accepted(endpoints, peers) for _ in range(3000))

        assert not all(accepted)
        assert process.poll() is None

    with ExitStack() as few:
        until(lambda: is_accepted(endpoints, few))
    assert process.poll() is None


def is_accepted(endpoints, stack):
    """Whether a connection is accepted; it stays open until the end."""
    peer = stack.enter_context(socket.socket(socket.AF_UNIX))
    return peer.connect_ex(str(ipc_path(endpoints.ingest))) == 0


def test_all_connections_are_closed_at_the_memory_limit(monkeypatch, peer, endpoints, until):
    """A peer connects again by itself, and its next message arrives."""
    memory = [10**8]
    monkeypatch.setattr("esper_bus.net.listeners.memory_bytes", lambda: memory[0])
    listeners = Listeners(endpoints, None)
    peer.send(b"one")
    until(lambda: not listeners.wait(0.1) and listeners.ingest.poll(0))
    memory[0] += 600 * 2**20

    assert until(lambda: listeners.wait(0.1))
    assert not listeners.wait(0.0)
    peer.send(b"two")
    until(lambda: not listeners.wait(0.1) and listeners.ingest.poll(0))
    assert listeners.ingest.recv_multipart()[1] == b"two"
    listeners.close(0)


@pytest.mark.slow
def test_addresses_that_cannot_be_bound_again_are_tried_again(monkeypatch, endpoints, until, caplog):
    """Another socket has the second of three addresses: it is tried a few times a second, and logged once.

    The first, which is bound, is not tried again.
    """
    left, tries = [10], []
    monkeypatch.setattr("esper_bus.net.listeners.reserved_files", lambda: 100)
    monkeypatch.setattr("esper_bus.net.listeners.files_left", lambda: left[0])
    monkeypatch.setattr(
        "esper_bus.net.listeners.bind_again",
        lambda *listener: tries.append(listener[1]) or bind_again(*listener),
    )
    listeners = Listeners(endpoints, None)
    time.sleep(0.15)
    listeners.wait(0.0)
    with socket.socket(socket.AF_UNIX) as other:
        path = ipc_path(endpoints.snapshots)
        until(lambda: not is_open(endpoints.snapshots))
        path.unlink(missing_ok=True)
        other.bind(str(path))
        other.listen()
        left[0] = 1000
        tend(listeners, 1.0, connecting_to=endpoints.ingest)
        open_meanwhile = is_open(endpoints.ingest), is_open(endpoints.query)
        left[0] = 10
        tend(listeners, 0.2)
        closed = is_open(endpoints.ingest)
        left[0] = 1000
        tend(listeners, 0.3)
    tend(listeners, 0.3)

    assert open_meanwhile == (True, False)
    assert not closed
    assert 5 <= tries.count(endpoints.snapshots) <= 20
    assert tries.count(endpoints.ingest) == 2
    assert [record.msg.event for record in caplog.records].count("cannot listen again yet") == 1
    assert all(is_open(address) for address in endpoints)
    listeners.close(0)


def tend(listeners, seconds, connecting_to=None):
    """Wait as an aggregator does; peers that connect make it check its resources."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if connecting_to is not None:
            is_open(connecting_to)
        listeners.wait(0.01)


def is_open(address):
    """Whether a socket listens at an address."""
    with ExitStack() as stack:
        return stack.enter_context(socket.socket(socket.AF_UNIX)).connect_ex(str(ipc_path(address))) == 0


@pytest.mark.slow
def test_an_allow_list_that_is_half_edited_does_not_end_the_server(monkeypatch, tmp_path, until, caplog):
    """After all connections were closed, none is accepted until the list is intact; no call raises."""
    keys, port = tmp_path / "keys", free_ports(len(Endpoints._fields))
    create_server_keys(keys)
    good = load_client_keys(add_client(keys, "good"))
    server = BusServer(parse(f"tcp://127.0.0.1:{port}", keyed=True), lambda run: {}, keys=keys)
    trainer = Emitter("run", "trainer:0", tmp_path / "run", f"tcp://127.0.0.1:{port}", keys=good)

    def acknowledged():
        server.receive(0.02)
        server.acknowledge()
        server.publish("run", 1, b"picture")
        server.publish_events("run", 0, [])
        server.keepalive()
        return trainer.stats.acknowledged == trainer.stats.emitted and not server.questions()

    trainer.emit(LogRecorded(level="info", message="before"))
    until(acknowledged)
    whole = (keys / "clients.json").read_bytes()
    (keys / "clients.json").write_bytes(whole[:-9])
    monkeypatch.setattr("esper_bus.net.listeners.memory_bytes", lambda: 10**12)
    time.sleep(0.15)
    server.receive(0.0)
    monkeypatch.undo()
    trainer.emit(LogRecorded(level="info", message="meanwhile"))
    began = time.monotonic()
    while time.monotonic() < began + 1.0:
        assert not acknowledged()

    assert [record.msg.event for record in caplog.records].count("cannot listen again yet") == 1
    (keys / "clients.json").write_bytes(whole)
    until(acknowledged)
    trainer.close(0.1)
    server.close()


def test_a_connection_does_not_end_the_wait(peer, endpoints):
    """Without a message, `wait` takes the time that was given."""
    listeners = Listeners(endpoints, None)
    began = time.monotonic()
    listeners.wait(0.3)

    assert time.monotonic() - began > 0.25
    listeners.close(0)
