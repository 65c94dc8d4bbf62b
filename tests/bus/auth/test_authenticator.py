"""Which clients are accepted over tcp and which are refused, with real sockets and keys."""

import threading

import pytest
import zmq

from esper_bus.addresses import parse as parse_url
from esper_bus.auth.authenticator import Authenticator, use_key
from esper_bus.auth.key_directory import add_client, create_server_keys, remove_client
from esper_bus.auth.keys import load_client_keys
from esper_bus.emit.emitter import Emitter
from esper_bus.net.server import BusServer
from esper_bus.net.snapshot_source import SocketSource
from esper_bus.protocol.frames import Data, Error, Hello, encode, parse
from esper_schemas.codec import encode_snapshot
from esper_schemas.errors import InvalidArgument, Refused
from esper_schemas.snapshot import RunInfo, SanctumSnapshot

SNAPSHOT = encode_snapshot(SanctumSnapshot(events_folded=1, run=RunInfo(run="run", started_ns=1)))


class Served:
    """A server in its own thread that keeps the records it receives and publishes one snapshot."""

    def __init__(self, address, keys):
        self.records = []
        self._stop = threading.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, args=(address, keys))
        self._thread.start()
        assert self._ready.wait(30)

    def _serve(self, address, keys):
        self.server = server = BusServer(address, lambda run: {}, keys=keys)
        self._ready.set()
        while not self._stop.is_set():
            self.records += server.receive(0.01)
            server.acknowledge()
            if server.wanted():
                server.publish("run", 1, SNAPSHOT)
        server.close()

    def close(self):
        """End the thread."""
        self._stop.set()
        self._thread.join()


@pytest.fixture
def served(address, keys):
    """A server with keys."""
    served = Served(address, keys)
    yield served
    served.close()


@pytest.fixture
def sender(address, tmp_path, episode):
    """Makes emitters that emit one event and try to send it."""
    made = []

    def make(keys, producer="trainer:0", run="run"):
        made.append(Emitter(run, producer, tmp_path / f"run-{len(made)}", address.ingest, keys=keys))
        made[-1].emit(episode(0))
        return made[-1]

    yield make
    for emitter in made:
        emitter.close(0.1)


@pytest.fixture
def screen(address):
    """Makes screens."""
    made = []

    def make(keys):
        made.append(SocketSource(lambda: address, keys=keys))
        return made[-1]

    yield make
    for source in made:
        source.close()


@pytest.fixture
def raw(address):
    """Makes trainer sockets whose messages are written by the test."""
    context, made = zmq.Context(), []

    def make(keys):
        made.append(context.socket(zmq.DEALER))
        use_key(made[-1], keys)
        made[-1].connect(address.ingest)
        return made[-1]

    yield make
    for peer in made:
        peer.close(linger=0)
    context.term()


@pytest.mark.slow
def test_refused_clients_are_counted(served, client, keys, sender, raw, until):
    """The counter rises for no key, an unknown or viewer's key, another version and a foreign producer."""
    unknown, good = client("unknown"), client("good")
    remove_client(keys, "unknown")
    link = lambda: served.server.link("run").refused  # noqa: E731
    before = link()
    for key in (None, unknown, client("viewer", ("view",))):
        seen, trainer = link(), sender(key)
        until(lambda seen=seen: link() > seen)
        trainer.close(0.0)  # it would retry
    for frames in ([b"H\x09", b""], encode(Hello(run="run", producer="other", epoch=7, first=0, next=0))):
        seen, messages = link(), served.server.rejected
        raw(good).send_multipart(frames)
        until(lambda seen=seen, refused=messages + 1: link() > seen and served.server.rejected == refused)

    assert before == 0
    assert served.server.link("run").rejected == 0


def test_a_key_with_all_rights_sends_and_views(served, client, sender, screen, until):
    """Its events are acknowledged, and the snapshot arrives."""
    good = client("good")
    trainer, source = sender(good), screen(good)
    until(lambda: trainer.stats.acknowledged == 1)
    feed = until(lambda: (feed := source.poll()).snapshot.events_folded and feed)

    assert [(record.stream.producer, record.seq) for record in served.records] == [("trainer:0", 0)]
    assert (feed.problem, trainer.stats.problem) == ("", "")


def test_an_unknown_key_is_refused(served, client, keys, sender, screen, until):
    """Neither events nor snapshots pass; trainer and screen report the reason."""
    unknown = client("unknown")
    remove_client(keys, "unknown")
    trainer, source = sender(unknown), screen(unknown)
    problem = until(lambda: trainer.stats.problem)
    seen = until(lambda: source.poll().problem)

    assert "refuses the key 'unknown'" in problem
    assert "refuses the key 'unknown'" in seen
    assert served.records == []
    assert source.poll().snapshot.events_folded == 0


def test_a_client_without_a_key_is_refused(served, sender, screen, until):
    """Trainer and screen report that a key is required."""
    trainer, source = sender(None), screen(None)

    assert "accepts no connection without a key" in until(lambda: trainer.stats.problem)
    assert "accepts no connection without a key" in until(lambda: source.poll().problem)
    assert served.records == []


def test_a_viewers_key_views_but_cannot_send(served, client, sender, screen, until):
    """The same key is accepted at the snapshot socket and refused at the ingest socket."""
    viewer = client("viewer", ("view",))
    trainer, source = sender(viewer), screen(viewer)
    feed = until(lambda: (feed := source.poll()).snapshot.events_folded and feed)

    assert "refuses the key 'viewer'" in until(lambda: trainer.stats.problem)
    assert feed.problem == ""
    assert served.records == []


def test_a_senders_key_cannot_view(served, client, sender, screen, until):
    """The same key is accepted at the ingest socket and refused at the snapshot socket."""
    trainer = client("trainer", ("ingest",))
    emitter, source = sender(trainer), screen(trainer)
    until(lambda: emitter.stats.acknowledged == 1)

    assert "refuses the key 'trainer'" in until(lambda: source.poll().problem)


def test_a_key_for_another_aggregator_is_refused(served, tmp_path, sender, screen, until):
    """Trainer and screen report that the server key differs from the one in their key file."""
    create_server_keys(tmp_path / "other")
    stranger = load_client_keys(add_client(tmp_path / "other", "stranger"))

    emitter, source = sender(stranger), screen(stranger)

    assert "its server key is not the one" in until(lambda: emitter.stats.problem)
    assert "its server key is not the one" in until(lambda: source.poll().problem)
    assert served.records == []


def test_a_key_cannot_send_events_of_another_producer(served, client, sender, until):
    """A key that is bound to the runs of alice is refused for a run of bob."""
    alice = client("alice", producers=("alice-*/trainer:*",))
    forger, honest = sender(alice, run="bob-1"), sender(alice, run="alice-1")
    until(lambda: honest.stats.acknowledged == 1)

    assert "'alice' may not send events of bob-1/trainer:0" in until(lambda: forger.stats.problem)
    assert [record.stream.run for record in served.records] == ["alice-1"]


def test_a_stream_belongs_to_the_key_that_began_it(served, client, raw, batch, until):
    """Another key with the same rights cannot continue the stream, even with the right epoch."""
    owner, thief = raw(client("owner")), raw(client("thief"))
    hello = encode(Hello(run="run", producer="trainer:0", epoch=7, first=0, next=0))
    owner.send_multipart(hello)
    owner.send_multipart(encode(Data(7, batch(0, 1))))
    until(lambda: len(served.records) == 1)
    thief.send_multipart(hello)
    answer = parse(thief.recv_multipart())
    thief.send_multipart(encode(Data(7, batch(1, 2))))
    after = parse(thief.recv_multipart())
    owner.send_multipart(encode(Data(7, batch(1, 3))))
    until(lambda: len(served.records) == 3)

    assert isinstance(answer, Error)
    assert answer.code == "refused"
    assert after == Error("unknown", "Say HELLO first.")
    assert [record.seq for record in served.records] == [0, 1, 2]


def test_the_name_of_a_connection_is_not_enough(served, client, keys, address, batch, until):
    """A connection with the routing id of a closed one does not get its stream."""
    context = zmq.Context()
    owner, thief = context.socket(zmq.DEALER), context.socket(zmq.DEALER)
    for peer, name in ((owner, "owner"), (thief, "thief")):
        peer.routing_id = b"the same"
        use_key(peer, client(name))
    owner.connect(address.ingest)
    owner.send_multipart(encode(Hello(run="run", producer="trainer:0", epoch=7, first=0, next=0)))
    owner.recv_multipart()
    owner.close(linger=0)

    def answer():
        thief.connect(address.ingest)
        thief.send_multipart(encode(Data(7, batch(0, 1))))
        reply = thief.recv_multipart() if thief.poll(300) else None
        thief.disconnect(address.ingest)
        return reply

    refusal = parse(until(answer))
    thief.close(linger=0)
    context.term()

    assert refusal.code == "refused"
    assert served.records == []


def test_a_key_that_is_removed_while_it_sends_is_refused(served, client, keys, sender, episode, until):
    """Neither the aggregator nor the trainer is restarted."""
    trainer = sender(client("fired"))
    until(lambda: trainer.stats.acknowledged == 1)
    remove_client(keys, "fired")

    def refused():
        trainer.emit(episode(1))
        return trainer.stats.problem

    assert "'fired' may not send" in until(refused, pause=0.1)


def test_a_removed_key_stays_refused_when_its_name_is_reused(served, client, keys, raw, batch, until):
    """A new key pair of the same name gives the old one no rights, not even on an open connection."""
    old = raw(client("alice"))
    old.send_multipart(encode(Hello(run="run", producer="trainer:0", epoch=7, first=0, next=0)))
    old.send_multipart(encode(Data(7, batch(0, 1))))
    until(lambda: len(served.records) == 1)
    remove_client(keys, "alice")
    new = raw(client("alice"))
    new.send_multipart(encode(Hello(run="run", producer="trainer:0", epoch=8, first=0, next=0)))
    new.send_multipart(encode(Data(8, batch(0, 1))))
    until(lambda: len(served.records) == 2)
    old.send_multipart(encode(Data(7, batch(1, 2))))
    old.send_multipart(encode(Hello(run="run", producer="trainer:0", epoch=9, first=0, next=0)))
    answers = []

    def refused_twice():
        if old.poll(0):
            answers.append(parse(old.recv_multipart()))
        return [a for a in answers if isinstance(a, Error)][1:]

    until(refused_twice)

    assert answers[-1].code == answers[-2].code == "refused"
    assert "'alice' may not send events of run/trainer:0" in answers[-1].text
    assert [record.stream.epoch for record in served.records] == [7, 8]


def test_an_added_key_is_accepted_at_once(served, client, sender, until):
    """The aggregator is not restarted."""
    first, late = sender(client("first")), None
    until(lambda: first.stats.acknowledged == 1)
    late = sender(client("late"), run="later")

    until(lambda: late.stats.acknowledged == 1, timeout=15.0)


def test_a_damaged_allow_list_admits_no_key(served, client, keys, sender, until):
    """While the file is damaged, a key that it allowed is refused."""
    good = client("good")
    (keys / "clients.json").write_bytes(b"{")
    trainer = sender(good)

    assert "refuses the key" in until(lambda: trainer.stats.problem)
    assert served.records == []


def test_an_authenticator_that_accepts_unknown_keys_serves_nothing(address, keys, monkeypatch):
    """The server does not start if its probe with an unknown key is accepted."""
    monkeypatch.setattr(Authenticator, "_authenticate", lambda self, request: "anybody")
    with pytest.raises(Refused, match=r"tcp://.*127\.0\.0\.1.* is not served, since it accepts unknown keys"):
        BusServer(address, lambda run: {}, keys=keys)


def test_an_authenticator_that_answers_no_requests_admits_no_peer(address, keys, client, monkeypatch, until):
    """libzmq fails closed: without an answer, even an allowed key is not admitted."""
    good = client("good")
    server = BusServer(address, lambda run: {}, keys=keys)
    monkeypatch.setattr(Authenticator, "answer_requests", lambda self: None)
    context = zmq.Context()
    peer = context.socket(zmq.DEALER)
    use_key(peer, good)
    peer.connect(address.ingest)
    peer.send_multipart(encode(Hello(run="run", producer="trainer:0", epoch=7, first=0, next=0)))
    for _ in range(50):
        server.receive(0.01)

    assert not peer.poll(0)

    peer.close(linger=0)
    context.term()
    server.close()


def test_a_closed_authenticator_admits_no_peer(keys, client):
    """Without its option to enforce the domain, libzmq would admit every key."""
    with zmq.Context() as context, context.socket(zmq.ROUTER) as socket, context.socket(zmq.DEALER) as peer:
        authenticator = Authenticator(context, keys)
        authenticator.require_key(socket, "ingest")
        port = socket.bind_to_random_port("tcp://127.0.0.1")
        authenticator.socket.close(0)
        use_key(peer, client("good"))
        peer.linger = 0
        peer.connect(f"tcp://127.0.0.1:{port}")
        peer.send(b"let me in")

        assert not socket.poll(500)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "[::]", "example.org", "*"])
def test_tcp_beyond_this_machine_needs_keys(host):
    """The address is refused when it is parsed, before a socket is made."""
    with pytest.raises(InvalidArgument, match="is not on this machine and unencrypted tcp is refused"):
        parse_url(f"tcp://{host}:5556")

    assert parse_url(f"tcp://{host}:5556", keyed=True).ingest == f"tcp://{host}:5556"


def test_no_socket_is_bound_beyond_this_machine_without_keys():
    """`BusServer` refuses the address too, although it was parsed as keyed."""
    with pytest.raises(InvalidArgument, match="unencrypted tcp is refused"):
        BusServer(parse_url("tcp://0.0.0.0:5556", keyed=True), lambda run: {})
