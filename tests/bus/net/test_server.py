"""Tests of the aggregator's sockets, with honest, hostile and slow peers."""

import contextlib
import itertools
import os
import random
import socket
import time

import pytest
import zmq
from benchmarks.ports import free_ports

from esper_bus.addresses import Endpoints, ipc_path
from esper_bus.addresses import parse as parse_url
from esper_bus.net.server import BusServer
from esper_bus.protocol.frames import Ack, Data, Hello, Resume, encode, parse
from esper_bus.protocol.snapshot_messages import parse_snapshot_message
from esper_schemas.errors import Refused, StorageError

EPOCH = 0xE90C


@pytest.fixture
def server(endpoints):
    """A server that knows no run."""
    server = BusServer(endpoints, lambda run: {})
    yield server
    server.close()


@pytest.fixture
def connect():
    """Connects sockets of any kind to any address."""
    context, made = zmq.Context(), []

    def make(kind, address):
        made.append(context.socket(kind))
        made[-1].connect(address)
        return made[-1]

    yield make
    for peer in made:
        peer.close(linger=0)
    context.term()


@pytest.fixture
def trainer(connect, endpoints):
    """Makes connections to the ingest socket."""
    return lambda: connect(zmq.DEALER, endpoints.ingest)


@pytest.fixture
def viewer(connect, endpoints):
    """Makes subscriptions, to everything or a topic."""

    def make(topic=b"snap/"):
        sub = connect(zmq.SUB, endpoints.snapshots)
        sub.subscribe(topic)
        return sub

    return make


def hello(**changes):
    """The frames of a HELLO."""
    return encode(
        Hello(**{"run": "run", "producer": "host:0", "epoch": EPOCH, "first": 0, "next": 0, **changes})
    )


def arrived(peer):
    """All messages that have arrived at a socket."""
    messages = []
    while peer.poll(50):
        messages.append(peer.recv_multipart())
    return messages


def receive(server, wanted, timeout=30.0):
    """Receive until there are at least `wanted` records."""
    records = []
    deadline = time.monotonic() + timeout
    while len(records) < wanted:
        assert time.monotonic() < deadline
        records += server.receive(0.05)
    return records


def test_events_come_in_and_acknowledgements_go_out(server, trainer, batch):
    """RESUME answers HELLO, ACK follows the flush."""
    peer = trainer()
    peer.send_multipart(hello())
    peer.send_multipart(encode(Data(EPOCH, batch(0, 5))))
    before = time.time_ns()
    records = receive(server, 5)
    first = [parse(frames) for frames in arrived(peer)]
    server.acknowledge()
    second = [parse(frames) for frames in arrived(peer)]

    assert [record.seq for record in records] == [0, 1, 2, 3, 4]
    assert all(before - 10**9 < record.received_ns <= time.time_ns() for record in records)
    assert [type(message) for message in first] == [Resume, Ack]
    assert [(type(message), message.expect) for message in second] == [(Ack, 5)]
    assert server.last_message_ns("run") == records[0].received_ns


def test_receiving_waits_no_longer_than_the_timeout(server):
    """If nothing arrives, it returns no records, and not before the timeout."""
    started = time.monotonic()

    assert server.receive(0.05) == []
    assert time.monotonic() - started > 0.04


def test_hostile_messages_disturb_no_other_trainer(server, trainer, batch):
    """Thousands of mutated messages; an honest trainer beside them is not disturbed."""
    honest, hostile = trainer(), trainer()
    honest.send_multipart(hello())
    hostile.send_multipart(hello(producer="evil:0", epoch=1))
    good = [
        hello(producer="evil:0", epoch=1),
        encode(Data(1, batch(0, 3))),
        [b"P\x01", bytes(16)],
        [b""],
        [b"x" * 1000] * 20,
    ]
    dice = random.Random(5)
    records = []
    for round_ in range(200):
        for _ in range(10):
            frames = [bytearray(frame) for frame in dice.choice(good)]
            victim = dice.choice(frames)
            if victim:
                victim[dice.randrange(len(victim))] = dice.randrange(256)
            while not hostile.poll(0, zmq.POLLOUT):  # both ends share a thread: a send must not block
                records += server.receive(0.01)
                server.acknowledge()
            hostile.send_multipart([bytes(frame) for frame in frames])
        honest.send_multipart(encode(Data(EPOCH, batch(round_, round_ + 1))))
        records += server.receive(0.01)
        server.acknowledge()
    deadline = time.monotonic() + 60
    while sum(record.stream.producer == "host:0" for record in records) < 200 and time.monotonic() < deadline:
        records += server.receive(0.01)
        server.acknowledge()  # or the honest trainer would exceed its credit

    assert [record.seq for record in records if record.stream.producer == "host:0"] == list(range(200))
    assert server.rejected > 100


def test_a_flood_does_not_starve_another_trainer(server, trainer, batch):
    """A call takes at most 64 events, and another trainer's event comes before 1000 of the flood."""
    flooding, honest = trainer(), trainer()
    flooding.send_multipart(hello(producer="flood:0", epoch=1))
    honest.send_multipart(hello())
    flood = (encode(Data(1, batch(seq, seq + 1))) for seq in itertools.count())
    calls = []
    for number in range(50):
        honest.send_multipart(encode(Data(EPOCH, batch(number, number + 1))))
        calls.append(calls_until(server, "host:0", lambda: send_all(flooding, flood)))
        server.acknowledge()

    assert max(map(sum, calls)) < 1_000
    assert max(map(max, calls)) <= 64


@pytest.mark.slow
def test_a_peer_that_dies_while_its_messages_wait_affects_no_other(server, trainer, batch):
    """After a busy second, libzmq would abort the process if its heartbeats were on."""
    dying, honest = trainer(), trainer()
    dying.send_multipart(hello(producer="dying:0", epoch=1))
    honest.send_multipart(hello())
    fill(dying, encode(Data(1, batch(0, 512))))
    dying.close(linger=0)
    time.sleep(1.2)  # two heartbeats, if there were one each 500 ms
    honest.send_multipart(encode(Data(EPOCH, batch(0, 1))))

    assert calls_until(server, "host:0")


def send_all(peer, messages):
    """Send messages until no more are taken."""
    while peer.poll(0, zmq.POLLOUT):
        peer.send_multipart(next(messages))


def fill(peer, frames):
    """Send the same message until no more are taken."""
    with contextlib.suppress(zmq.Again):
        while peer.poll(200, zmq.POLLOUT):
            peer.send_multipart(frames, zmq.DONTWAIT)


def calls_until(server, producer, prepare=lambda: None, limit=1_000):
    """Receive until there is an event of a producer; returns the number of events of each call."""
    returned = []
    while len(returned) < limit:
        prepare()
        records = server.receive(0.05)
        returned.append(len(records))
        if any(record.stream.producer == producer for record in records):
            return returned
    pytest.fail("it was starved")


def test_bytes_that_are_not_zmtp_are_ignored(server, endpoints, trainer, batch):
    """Peers that do not speak ZMTP disturb no other peer."""
    for address in endpoints:
        for junk in (
            b"",
            b"\x00" * 100,
            b"GET / HTTP/1.1\r\n\r\n",
            os.urandom(5000),
            b"\xff" + bytes(8) + b"\x7f",
        ):
            with socket.socket(socket.AF_UNIX) as raw:
                raw.connect(os.fspath(ipc_path(address)))
                raw.sendall(junk)
            server.receive(0.01)
    peer = trainer()
    peer.send_multipart(hello())
    peer.send_multipart(encode(Data(EPOCH, batch(0, 2))))

    assert len(receive(server, 2)) == 2


def test_a_huge_message_costs_only_its_sender(server, trainer, batch):
    """A message of more than 16 MiB is not received; another trainer is served."""
    hostile, honest = trainer(), trainer()
    hostile.send_multipart([b"D\x01", bytes(16), bytes(17 * 2**20)])
    honest.send_multipart(hello())
    honest.send_multipart(encode(Data(EPOCH, batch(0, 2))))

    assert len(receive(server, 2)) == 2
    assert server.rejected == 0


def test_many_answers_to_a_peer_that_does_not_read_are_dropped(server, trainer):
    """Answering does not block."""
    peer = trainer()
    peer.set_hwm(1)
    deadline = time.monotonic() + 20
    for _ in range(3000):
        peer.send_multipart(hello())
        server.receive(0.0)

    assert time.monotonic() < deadline


def test_a_new_subscriber_is_served_at_once(server, viewer):
    """`receive` returns long before its timeout, and `wanted` is true until a snapshot is published."""
    server.publish("run", 7, b"old")
    late = viewer()
    started = time.monotonic()
    while not server.wanted():
        server.receive(90.0)
    server.publish("run", 7, b"picture", 99)
    run, head, body = parse_snapshot_message(arrived(late)[-1])

    assert time.monotonic() - started < 60.0
    assert (run, head.position, head.trainer_message_ns, body) == ("run", 7, 99, b"picture")
    assert not server.wanted()


def test_a_new_viewer_receives_a_heartbeat(server, viewer):
    """It is sent even if there is no run yet."""
    first = viewer()
    server.receive(5.0)
    (frames,) = arrived(first)

    assert parse_snapshot_message(frames)[0::2] == ("", b"")


def test_keepalives_name_every_run(server, viewer, until):
    """Each run has a message with its position and without a snapshot."""
    server.publish("a", 1, b"x")
    server.publish("b", 2, b"y")
    first = viewer()
    until(lambda: server.receive(0.05) or server.wanted())
    arrived(first)
    server.keepalive()
    messages = [parse_snapshot_message(frames) for frames in arrived(first)]

    assert [(run, head.position, body) for run, head, body in messages] == [("a", 1, b""), ("b", 2, b"")]
    assert messages[0][1].snap_seq < messages[1][1].snap_seq
    assert {head.agg_epoch for _, head, _ in messages} == {server.agg_epoch}


def test_viewers_are_counted(server, viewer, until):
    """Viewers that disconnect or unsubscribe are no longer counted."""
    first, second = viewer(), viewer(b"snap/run")
    until(lambda: server.receive(0.02) or server.viewers == 2)
    first.close(linger=0)
    until(lambda: server.receive(0.02) or server.viewers == 1)
    second.unsubscribe(b"snap/run")
    until(lambda: server.receive(0.02) or server.viewers == 0)

    assert server.viewers == 0


def test_malformed_messages_from_viewers_are_ignored(server, connect, endpoints, viewer, until):
    """Messages at the snapshot socket that are not subscriptions are not counted as viewers."""
    hostile = connect(zmq.XSUB, endpoints.snapshots)
    one_frame = (b"", b"\x01", bytes(50), b"\x01" + os.urandom(200), b"\x02snap/")
    for junk in (*([frame] for frame in one_frame), [b"a", b"\x01snap/"]):
        hostile.send_multipart(junk)
    for _ in range(20):
        server.receive(0.01)
    honest = viewer()
    until(lambda: server.receive(0.02) or server.wanted())

    assert server.viewers == 1
    assert arrived(honest)


def test_a_viewer_that_does_not_read_delays_no_other(server, viewer, until):
    """Publishing does not block."""
    viewer()
    until(lambda: server.receive(0.02) or server.wanted())
    started = time.monotonic()
    for position in range(500):
        server.publish("run", position, bytes(50_000))

    assert time.monotonic() - started < 10.0


def test_an_address_in_use_is_refused(server, endpoints):
    """A second server does not take over the socket of the first one."""
    with pytest.raises(Refused, match="is in use by another process; stop it or choose another"):
        BusServer(endpoints, lambda run: {})


def test_a_port_in_use_is_refused():
    """The same holds for tcp."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(Refused, match="in use by another process"):
            BusServer(Endpoints(*(f"tcp://127.0.0.1:{port + index}" for index in range(3))), lambda run: {})


def test_the_socket_of_a_dead_server_is_taken_over(endpoints):
    """A socket file without a listener is replaced."""
    path = ipc_path(endpoints.ingest)
    path.parent.mkdir(parents=True, mode=0o700)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(os.fspath(path))
    BusServer(endpoints, lambda run: {}).close()


def test_only_this_user_can_reach_the_sockets(server, endpoints):
    """The directory has mode 0700, and the sockets give no rights to other users."""
    for address in endpoints:
        path = ipc_path(address)

        assert path.parent.stat().st_mode & 0o777 == 0o700
        assert path.stat().st_mode & 0o077 == 0


def test_a_directory_that_cannot_be_made_is_an_error(tmp_path):
    """The error names the directory."""
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=r"Cannot create .*file/x for sockets"):
        BusServer(parse_url(f"ipc://{tmp_path}/file/x"), lambda run: {})


def test_a_server_on_tcp_serves_as_well(connect, batch):
    """On this machine it needs no keys."""
    port = free_ports(len(Endpoints._fields))
    server = BusServer(parse_url(f"tcp://127.0.0.1:{port}"), lambda run: {})
    peer = connect(zmq.DEALER, f"tcp://127.0.0.1:{port}")
    peer.send_multipart(hello())
    peer.send_multipart(encode(Data(EPOCH, batch(0, 2))))
    try:
        assert len(receive(server, 2)) == 2
    finally:
        server.close()
