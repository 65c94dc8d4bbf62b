"""An uplink sends a stream over a real socket, survives restarts of the other end, and says what is wrong."""

import time

import pytest
import zmq

from esper_bus.net.server import BusServer
from esper_bus.net.uplink import Uplink
from esper_bus.rate_limited_log import RateLimitedLog


class Events:
    """A stream in memory."""

    def __init__(self, make):
        self.next_seq = 0
        self._make = make

    def fetch(self, first, max_events, max_bytes):
        """Events from `first` on."""
        return self._make(first, min(self.next_seq, first + max_events))


@pytest.fixture
def events(batch):
    """The events of a trainer."""
    return Events(batch)


@pytest.fixture
def uplink(endpoints, key, events):
    """Makes uplinks."""
    made = []

    def make(address=endpoints.ingest, keys=None):
        made.append(Uplink(address, key, events, RateLimitedLog("esper.bus"), keys))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def server(endpoints):
    """Makes servers; one is given the log of the one before it."""
    made = []

    def make(log=(), at=endpoints, keys=None):
        positions = {record.stream: record.seq + 1 for record in log}
        made.append(BusServer(at, lambda run: positions, keys=keys))
        return made[-1]

    yield make
    for each in made:
        each.close()


def exchange(uplink, server, done, timeout=30.0):
    """Let both ends work until something is true; returns the received records."""
    received = []
    deadline = time.monotonic() + timeout
    while not done():
        assert time.monotonic() < deadline, "it did not become true in time"
        uplink.exchange(time.monotonic())
        if server is not None:
            received += server.receive(0.002)
            server.acknowledge()
    return received


def test_events_are_sent_until_all_are_acknowledged(uplink, server, events):
    """In their order, each once."""
    link, aggregator = uplink(), server()
    events.next_seq = 300

    received = exchange(link, aggregator, lambda: link.link.complete)
    assert [record.seq for record in received] == list(range(300))
    assert (link.problem, link.refusal) == ("", "")


def test_an_aggregator_that_comes_later_receives_everything(uplink, server, events):
    """While there is none, nothing is a problem."""
    link = uplink()
    events.next_seq = 5
    link.exchange(time.monotonic())
    assert (link.problem, link.link.streaming) == ("", False)

    aggregator = server()
    received = exchange(link, aggregator, lambda: link.link.complete)
    assert [record.seq for record in received] == [0, 1, 2, 3, 4]


def test_a_restarted_aggregator_receives_what_it_lacks(uplink, server, events):
    """It tells from where on."""
    link, first = uplink(), server()
    events.next_seq = 5
    log = exchange(link, first, lambda: link.link.complete)
    first.close()

    second = server(log)
    events.next_seq = 8
    received = exchange(link, second, lambda: link.link.complete)
    assert [record.seq for record in received] == [5, 6, 7]


def test_the_end_of_a_stream_is_acknowledged(uplink, server, events):
    """Once all events are; the trainer need not wait longer."""
    link, aggregator = uplink(), server()
    events.next_seq = 2
    exchange(link, aggregator, lambda: link.link.complete)
    assert not link.link.bye_acknowledged

    link.send_bye()
    exchange(link, aggregator, lambda: link.link.bye_acknowledged)


def test_an_unusable_address_is_a_problem_and_not_an_error(uplink, events):
    """The trainer goes on; the address is tried again later, not in a loop."""
    link = uplink("tcp://10.0.0.1:5555")
    now = time.monotonic()
    link.exchange(now)

    assert "key" in link.refusal
    assert link.problem == link.refusal
    assert link.wake_at() > now + 1


def test_a_key_without_the_right_is_a_refusal(uplink, server, events, keys, client, address):
    """The sentence says what to do; the events wait for it."""
    aggregator = server(at=address, keys=keys)
    link = uplink(address.ingest, client("laptop", rights=("view",)))
    events.next_seq = 3

    exchange(link, aggregator, lambda: link.refusal)

    assert "refuses the key 'laptop'" in link.refusal
    assert "esper keys add" in link.refusal
    assert not link.link.streaming


def test_a_message_that_is_not_understood_is_passed_over(uplink, until, caplog):
    """It is logged, and no problem of the trainer."""
    with zmq.Context() as context, context.socket(zmq.ROUTER) as peer:
        port = peer.bind_to_random_port("tcp://127.0.0.1")
        link = uplink(f"tcp://127.0.0.1:{port}")

        def greeted():
            link.exchange(time.monotonic())
            return peer.poll(5)

        until(greeted)
        peer.send_multipart([peer.recv_multipart()[0], b"noise"])

        def logged():
            link.exchange(time.monotonic())
            return "message not understood" in caplog.text

        until(logged)
        peer.close(linger=0)
    assert link.problem == ""
