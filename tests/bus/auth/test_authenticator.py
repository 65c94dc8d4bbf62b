"""Which clients are accepted over tcp, and which are refused: real sockets and real keys."""

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

PICTURE = encode_snapshot(SanctumSnapshot(events_folded=1, run=RunInfo(run="run", started_ns=1)))


class Served:
    """A server in a thread of its own that keeps what it received and shows one picture."""

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
                server.publish("run", 1, PICTURE)
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
    """Makes trainers that emit one event and send it, or try to."""
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
    """Makes sockets of trainers that say what they are told to."""
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


def test_refused_clients_are_counted(served, client, keys, sender, raw, until):
    """No key, an unknown one, a viewer's, another version, another's name: each by itself."""
    unknown, good = client("unknown"), client("good")
    remove_client(keys, "unknown")
    link = lambda: served.server.link("run").refused  # noqa: E731
    before = link()
    for key in (None, unknown, client("viewer", ("view",))):
        seen, trainer = link(), sender(key)
        until(lambda seen=seen: link() > seen)
        trainer.close(0.0)  # it would ask again
    for frames in ([b"H\x09", b""], encode(Hello(run="run", producer="other", epoch=7, first=0, next=0))):
        seen, messages = link(), served.server.rejected
        raw(good).send_multipart(frames)
        until(lambda seen=seen, refused=messages + 1: link() > seen and served.server.rejected == refused)

    assert before == 0
    assert served.server.link("run").rejected == 0


def test_a_good_key_sends_and_sees(served, client, sender, screen, until):
    """Events arrive and are acknowledged, and the picture comes."""
    good = client("good")
    trainer, source = sender(good), screen(good)
    until(lambda: trainer.stats.acknowledged == 1)
    feed = until(lambda: (feed := source.poll()).snapshot.events_folded and feed)

    assert [(record.stream.producer, record.seq) for record in served.records] == [("trainer:0", 0)]
    assert (feed.problem, trainer.stats.problem) == ("", "")


def test_an_unknown_key_is_refused_in_a_sentence(served, client, keys, sender, screen, until):
    """Neither in nor out, and it is said on both sides."""
    unknown = client("unknown")
    remove_client(keys, "unknown")
    trainer, source = sender(unknown), screen(unknown)
    problem = until(lambda: trainer.stats.problem)
    seen = until(lambda: source.poll().problem)

    assert "refuses the key 'unknown'" in problem
    assert "refuses the key 'unknown'" in seen
    assert served.records == []
    assert source.poll().snapshot.events_folded == 0


def test_no_key_is_refused_in_a_sentence(served, sender, screen, until):
    """It says what is missing."""
    trainer, source = sender(None), screen(None)

    assert "accepts no connection without a key" in until(lambda: trainer.stats.problem)
    assert "accepts no connection without a key" in until(lambda: source.poll().problem)
    assert served.records == []


def test_a_viewers_key_sees_but_cannot_send(served, client, sender, screen, until):
    """The same key, accepted at one socket and refused at the other."""
    viewer = client("viewer", ("view",))
    trainer, source = sender(viewer), screen(viewer)
    feed = until(lambda: (feed := source.poll()).snapshot.events_folded and feed)

    assert "refuses the key 'viewer'" in until(lambda: trainer.stats.problem)
    assert feed.problem == ""
    assert served.records == []


def test_a_senders_key_cannot_see(served, client, sender, screen, until):
    """The other way round."""
    trainer = client("trainer", ("ingest",))
    emitter, source = sender(trainer), screen(trainer)
    until(lambda: emitter.stats.acknowledged == 1)

    assert "refuses the key 'trainer'" in until(lambda: source.poll().problem)


def test_a_key_for_another_aggregator_is_refused_in_a_sentence(served, tmp_path, sender, screen, until):
    """The client does not trust this one, whoever it is."""
    create_server_keys(tmp_path / "other")
    stranger = load_client_keys(add_client(tmp_path / "other", "stranger"))

    emitter, source = sender(stranger), screen(stranger)

    assert "its server key is not the one" in until(lambda: emitter.stats.problem)
    assert "its server key is not the one" in until(lambda: source.poll().problem)
    assert served.records == []


def test_a_key_cannot_write_as_another(served, client, sender, until):
    """Only the producers that it is bound to; what it may not send stays in its own spool."""
    alice = client("alice", producers=("alice-*/trainer:*",))
    forger, honest = sender(alice, run="bob-1"), sender(alice, run="alice-1")
    until(lambda: honest.stats.acknowledged == 1)

    assert "'alice' may not send events of bob-1/trainer:0" in until(lambda: forger.stats.problem)
    assert [record.stream.run for record in served.records] == ["alice-1"]


def test_a_stream_belongs_to_the_key_that_began_it(served, client, raw, batch, until):
    """Another key with the same rights cannot continue it, though it knows its epoch."""
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
    """A connection that takes the name of one that has gone does not take its stream."""
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
        heard = thief.recv_multipart() if thief.poll(300) else None
        thief.disconnect(address.ingest)
        return heard

    refusal = parse(until(answer))
    thief.close(linger=0)
    context.term()

    assert refusal.code == "refused"
    assert served.records == []


def test_a_key_that_is_removed_while_it_sends_is_refused(served, client, keys, sender, episode, until):
    """Without a restart of anything."""
    trainer = sender(client("fired"))
    until(lambda: trainer.stats.acknowledged == 1)
    remove_client(keys, "fired")

    def refused():
        trainer.emit(episode(1))
        return trainer.stats.problem

    assert "'fired' may not send" in until(refused, pause=0.1)


def test_a_removed_key_stays_out_when_its_name_comes_back(served, client, keys, raw, batch, until):
    """With a new key pair: who holds the old one cannot go on, not on the connection that is open."""
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


def test_a_key_that_is_added_counts_at_once(served, client, sender, until):
    """Without a restart of the aggregator."""
    first, late = sender(client("first")), None
    until(lambda: first.stats.acknowledged == 1)
    late = sender(client("late"), run="later")

    until(lambda: late.stats.acknowledged == 1, timeout=15.0)


def test_a_damaged_allow_list_admits_no_key(served, client, keys, sender, until):
    """Until it is whole again."""
    good = client("good")
    (keys / "clients.json").write_bytes(b"{")
    trainer = sender(good)

    assert "refuses the key" in until(lambda: trainer.stats.problem)
    assert served.records == []


def test_an_authenticator_that_accepts_unknown_keys_serves_nothing(address, keys, monkeypatch):
    """A probe with an unknown key has to be refused before the socket is used."""
    monkeypatch.setattr(Authenticator, "_authenticate", lambda self, request: "anybody")
    with pytest.raises(Refused, match=r"tcp://.*127\.0\.0\.1.* is not served, since it accepts unknown keys"):
        BusServer(address, lambda run: {}, keys=keys)


def test_an_authenticator_that_answers_no_requests_admits_no_peer(address, keys, client, monkeypatch, until):
    """If nobody answers, a good key is not let in either: libzmq itself fails closed."""
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
    """If it has gone altogether, libzmq would let in every key, but for its option to enforce the domain."""
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
    """One sentence, before a socket is made."""
    with pytest.raises(InvalidArgument, match="is not on this machine and unencrypted tcp is refused"):
        parse_url(f"tcp://{host}:5556")

    assert parse_url(f"tcp://{host}:5556", keyed=True).ingest == f"tcp://{host}:5556"


def test_no_socket_is_bound_beyond_this_machine_without_keys():
    """Not even by a caller who did not ask `parse`."""
    with pytest.raises(InvalidArgument, match="unencrypted tcp is refused"):
        BusServer(parse_url("tcp://0.0.0.0:5556", keyed=True), lambda run: {})
