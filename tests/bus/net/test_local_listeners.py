"""An aggregator on tcp, with keys, that is found over ipc as well: real sockets at both."""

import time

import pytest
import zmq
from benchmarks.ports import free_ports

from esper_bus.addresses import Endpoints, parse
from esper_bus.auth.authenticator import use_key
from esper_bus.auth.key_directory import add_client, create_server_keys
from esper_bus.auth.keys import load_client_keys
from esper_bus.emit.emitter import Emitter
from esper_bus.net.listeners import Listeners
from esper_bus.net.server import BusServer


@pytest.fixture
def keys(tmp_path):
    """A directory with the keys of an aggregator."""
    create_server_keys(tmp_path / "keys")
    return tmp_path / "keys"


@pytest.fixture
def good(keys):
    """A key that may do everything."""
    return load_client_keys(add_client(keys, "good"))


@pytest.fixture
def remote():
    """Addresses over tcp."""
    return parse(f"tcp://127.0.0.1:{free_ports(len(Endpoints._fields))}", keyed=True)


@pytest.fixture
def listeners(remote, keys, endpoints):
    """Listeners at both."""
    listeners = Listeners(remote, keys, endpoints)
    yield listeners
    listeners.close(0)


@pytest.fixture
def comes_in(listeners):
    """Whether what a new peer says at an address is heard within a while, with or without a key."""

    def ask(address, key=None, wait_s=0.5):
        with zmq.Context() as context, context.socket(zmq.DEALER) as peer:
            peer.linger = 0
            if key is not None:
                use_key(peer, key)
            peer.connect(address)
            peer.send(b"hello")
            deadline = time.monotonic() + wait_s
            while time.monotonic() < deadline:
                listeners.wait(0.02)
                if listeners.ingest.poll(0):
                    return listeners.ingest.recv_multipart()[1] == b"hello"
        return False

    return ask


def who_comes_in(comes_in, endpoints, remote, key):
    """Over ipc without a key; over tcp without and with one."""
    return (
        comes_in(endpoints.ingest, wait_s=5.0),
        comes_in(remote.ingest),
        comes_in(remote.ingest, key, wait_s=5.0),
    )


ONLY_TCP_ASKS = (True, False, True)


def test_tcp_demands_a_key_and_ipc_does_not(comes_in, endpoints, remote, good):
    """At the same sockets."""
    assert who_comes_in(comes_in, endpoints, remote, good) == ONLY_TCP_ASKS


def test_all_three_addresses_are_served_at_both(listeners, endpoints, remote, good, until):
    """A picture and an answer come over ipc without a key, and over tcp with one only."""
    with zmq.Context() as context:
        for where, key, answers in ((endpoints, None, True), (remote, None, False), (remote, good, True)):
            with context.socket(zmq.SUB) as screen, context.socket(zmq.DEALER) as asker:
                for peer, address in ((screen, where.snapshots), (asker, where.query)):
                    peer.linger = 0
                    if key is not None:
                        use_key(peer, key)
                    peer.connect(address)
                screen.subscribe(b"")
                asker.send(b"what?")
                deadline = time.monotonic() + (10.0 if answers else 0.5)
                heard = [False, False]
                while time.monotonic() < deadline and not all(heard):
                    listeners.wait(0.02)
                    listeners.snapshots.send(b"picture")
                    heard = [heard[0] or bool(screen.poll(0)), heard[1] or bool(listeners.queries.poll(0))]

                assert heard == [answers, answers]
                if answers:
                    listeners.queries.recv_multipart()


def test_both_are_closed_while_descriptors_are_scarce_and_open_again_as_they_were(
    comes_in, listeners, endpoints, remote, good, monkeypatch, until
):
    """The ipc address is bound after tcp has asked for keys, and asks for none all the same."""
    left = [10]
    monkeypatch.setattr("esper_bus.net.listeners.reserved_files", lambda: 100)
    monkeypatch.setattr("esper_bus.net.listeners.files_left", lambda: left[0])
    time.sleep(0.15)
    listeners.wait(0.0)
    closed = comes_in(endpoints.ingest), comes_in(remote.ingest, good)
    left[0] = 1000

    assert closed == (False, False)
    assert until(lambda: comes_in(endpoints.ingest))
    assert who_comes_in(comes_in, endpoints, remote, good) == ONLY_TCP_ASKS


def test_both_are_open_as_they_were_after_all_connections_were_closed(
    comes_in, listeners, endpoints, remote, good, monkeypatch, until
):
    """New sockets stand as the old ones did."""
    monkeypatch.setattr(
        "esper_bus.net.listeners.memory_bytes", lambda: listeners._initial_memory + 600 * 2**20
    )
    assert until(lambda: listeners.wait(0.1))
    monkeypatch.undo()

    assert who_comes_in(comes_in, endpoints, remote, good) == ONLY_TCP_ASKS


@pytest.mark.parametrize("keyed", [False, True])
def test_a_trainer_of_this_machine_sends_over_ipc(
    endpoints, remote, keys, good, tmp_path, episode, keyed, until
):
    """With a key named or not, its events are taken, whatever its producer is called."""
    server = BusServer(remote, lambda run: {}, keys=keys, local=endpoints)
    trainer = Emitter("run", "host:0", tmp_path / "run", endpoints.ingest, keys=good if keyed else None)
    trainer.emit(episode(0))

    def acknowledged():
        server.receive(0.02)
        server.acknowledge()
        return trainer.stats.acknowledged == 1

    until(acknowledged)
    report = trainer.close(0.1)
    server.close()

    assert report.problem == ""


def test_listening_on_ipc_only_needs_no_keys(endpoints, tmp_path):
    """The directory that was named is not even looked at."""
    listeners = Listeners(endpoints, tmp_path / "nothing")

    assert listeners.authenticator is None
    assert listeners.may_write is None
    listeners.close(0)
