"""An aggregator that listens on tcp, with keys, and on ipc as well: real sockets at both."""

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
    """A key with all rights."""
    return load_client_keys(add_client(keys, "good"))


@pytest.fixture
def remote():
    """Addresses over tcp."""
    return parse(f"tcp://127.0.0.1:{free_ports(len(Endpoints._fields))}", keyed=True)


@pytest.fixture
def listeners(remote, keys, endpoints):
    """Listeners on tcp and ipc."""
    listeners = Listeners(remote, keys, endpoints)
    yield listeners
    listeners.close(0)


@pytest.fixture
def arrives(listeners):
    """Whether a message of a new peer arrives at an address, with or without a key."""

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


def which_messages_arrive(arrives, endpoints, remote, key):
    """Whether a message arrives over ipc without a key, and over tcp without and with one."""
    return (
        arrives(endpoints.ingest, wait_s=5.0),
        arrives(remote.ingest),
        arrives(remote.ingest, key, wait_s=5.0),
    )


ONLY_TCP_REQUIRES_A_KEY = (True, False, True)


def test_tcp_demands_a_key_and_ipc_does_not(arrives, endpoints, remote, good):
    """Both addresses belong to the same sockets."""
    assert which_messages_arrive(arrives, endpoints, remote, good) == ONLY_TCP_REQUIRES_A_KEY


def test_all_three_addresses_are_served_at_both(listeners, endpoints, remote, good, until):
    """Snapshots and questions arrive over ipc without a key, and over tcp only with one."""
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
                received = [False, False]
                while time.monotonic() < deadline and not all(received):
                    listeners.wait(0.02)
                    listeners.snapshots.send(b"picture")
                    received = [
                        received[0] or bool(screen.poll(0)),
                        received[1] or bool(listeners.queries.poll(0)),
                    ]

                assert received == [answers, answers]
                if answers:
                    listeners.queries.recv_multipart()


@pytest.mark.slow
def test_both_are_closed_while_descriptors_are_scarce_and_open_again_as_they_were(
    arrives, listeners, endpoints, remote, good, monkeypatch, until
):
    """The ipc address is bound again after tcp, and still requires no key."""
    left = [10]
    monkeypatch.setattr("esper_bus.net.listeners.reserved_files", lambda: 100)
    monkeypatch.setattr("esper_bus.net.listeners.files_left", lambda: left[0])
    time.sleep(0.15)
    listeners.wait(0.0)
    closed = arrives(endpoints.ingest), arrives(remote.ingest, good)
    left[0] = 1000

    assert closed == (False, False)
    assert until(lambda: arrives(endpoints.ingest))
    assert which_messages_arrive(arrives, endpoints, remote, good) == ONLY_TCP_REQUIRES_A_KEY


def test_both_are_open_as_they_were_after_all_connections_were_closed(
    arrives, listeners, endpoints, remote, good, monkeypatch, until
):
    """The new sockets require a key on tcp, and none on ipc."""
    monkeypatch.setattr(
        "esper_bus.net.listeners.memory_bytes", lambda: listeners._initial_memory + 600 * 2**20
    )
    assert until(lambda: listeners.wait(0.1))
    monkeypatch.undo()

    assert which_messages_arrive(arrives, endpoints, remote, good) == ONLY_TCP_REQUIRES_A_KEY


@pytest.mark.parametrize("keyed", [False, True])
def test_a_trainer_of_this_machine_sends_over_ipc(
    endpoints, remote, keys, good, tmp_path, episode, keyed, until
):
    """Its events are accepted with or without a key, even if no key allows the name of its producer."""
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
    """The directory of the keys is not read, and need not exist."""
    listeners = Listeners(endpoints, tmp_path / "nothing")

    assert listeners.authenticator is None
    assert listeners.may_write is None
    listeners.close(0)
