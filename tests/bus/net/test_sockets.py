"""Sockets never block, take a limited number of messages, and say why an address cannot be used."""

import socket
import stat

import pytest
import zmq
from benchmarks.ports import free_ports

from esper_bus.addresses import ipc_path
from esper_bus.net import sockets
from esper_bus.net.sockets import bind, connect
from esper_schemas.errors import InvalidArgument, Refused

KINDS = [
    "ingest_server",
    "ingest_client",
    "snapshot_server",
    "snapshot_client",
    "query_server",
    "query_client",
]


@pytest.fixture
def make():
    """Makes sockets by the name of their kind."""
    context, made = zmq.Context(), []

    def make(kind):
        made.append(getattr(sockets, kind)(context))
        return made[-1]

    yield make
    for one in made:
        one.close(linger=0)
    context.term()


def opened(client, address):
    """Connect a socket; the handshake is not watched."""
    connect(client, address).close()
    return client


@pytest.mark.parametrize("kind", KINDS)
def test_no_socket_keeps_a_process_from_ending_or_fills_the_memory(make, kind):
    """Nothing is sent after it was closed; queues and messages have a limit."""
    made = make(kind)

    assert made.getsockopt(zmq.LINGER) == 0
    assert 0 < made.getsockopt(zmq.SNDHWM) <= 64
    assert 0 < made.getsockopt(zmq.RCVHWM) <= 64
    assert 0 < made.getsockopt(zmq.MAXMSGSIZE) <= sockets.MAX_MESSAGE_BYTES


@pytest.mark.parametrize("kind", ["ingest_client", "query_client"])
def test_a_client_accepts_nothing_while_there_is_no_server(make, endpoints, kind):
    """A message in its queue would arrive minutes later."""
    client = opened(make(kind), endpoints.ingest)

    with pytest.raises(zmq.Again):
        client.send(b"message", zmq.DONTWAIT)


@pytest.mark.parametrize("kind", ["ingest_server", "query_server"])
def test_a_message_to_a_peer_that_is_gone_fails_at_once(make, endpoints, kind):
    """It would otherwise vanish without a trace."""
    server = make(kind)
    bind(server, endpoints.ingest, "ingest")

    with pytest.raises(zmq.ZMQError, match="Host unreachable"):
        server.send_multipart([b"peer", b"message"], zmq.DONTWAIT)


def test_events_and_answers_pass_through(make, endpoints):
    """The server learns the peer with the message."""
    server, client = make("ingest_server"), make("ingest_client")
    bind(server, endpoints.ingest, "ingest")
    opened(client, endpoints.ingest)
    assert client.poll(5000, zmq.POLLOUT)
    client.send(b"event")

    assert server.poll(5000)
    peer, event = server.recv_multipart()
    server.send_multipart([peer, b"answer"])
    assert client.poll(5000)
    assert (event, client.recv()) == (b"event", b"answer")


def test_every_subscription_is_seen(make, endpoints):
    """Also a repeated one: its subscriber waits for a first snapshot."""
    server = make("snapshot_server")
    bind(server, endpoints.snapshots, "view")
    for _ in range(2):
        opened(make("snapshot_client"), endpoints.snapshots).subscribe(b"topic")

    for _ in range(2):
        assert server.poll(5000)
        assert server.recv() == b"\x01topic"


def test_only_this_user_reaches_a_local_socket(make, endpoints):
    """Directory and file."""
    bind(make("ingest_server"), endpoints.ingest, "ingest")
    path = ipc_path(endpoints.ingest)

    assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0
    assert stat.S_IMODE(path.parent.stat().st_mode) & 0o077 == 0


def test_an_address_in_use_is_refused(make, endpoints):
    """Over ipc, where libzmq would take the place of the other process, and over tcp."""
    for address in (endpoints.ingest, f"tcp://127.0.0.1:{free_ports(1)}"):
        bind(make("ingest_server"), address, "ingest")

        with pytest.raises(Refused, match="in use by another process"):
            bind(make("ingest_server"), address, "ingest")


def test_the_file_of_a_dead_server_is_replaced(make, endpoints):
    """Nobody accepts connections there."""
    path = ipc_path(endpoints.ingest)
    path.parent.mkdir(mode=0o700, parents=True)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    assert path.exists()

    assert bind(make("ingest_server"), endpoints.ingest, "ingest") == endpoints.ingest


@pytest.mark.parametrize("address", ["udp://127.0.0.1:1", "tcp://127.0.0.1"])
def test_an_address_that_cannot_be_used_is_one_sentence(make, address):
    """At both ends, and it says to use another one."""
    with pytest.raises(InvalidArgument, match="choose another address"):
        bind(make("ingest_server"), address, "ingest")
    with pytest.raises(InvalidArgument, match="use another address"):
        connect(make("ingest_client"), address)


def test_beyond_this_machine_a_key_is_needed(make):
    """Without one, events and snapshots would be open to the network."""
    with pytest.raises(InvalidArgument, match="key"):
        bind(make("ingest_server"), "tcp://0.0.0.0:0", "ingest")
    with pytest.raises(InvalidArgument, match="key"):
        connect(make("ingest_client"), "tcp://10.0.0.1:5555")
