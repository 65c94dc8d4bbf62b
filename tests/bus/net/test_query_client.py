"""Questions to an aggregator over real sockets: a refusal ends them at once, silence after their timeout."""

import threading
import time

import pytest

from esper_bus.auth.key_directory import add_client, create_server_keys, remove_client
from esper_bus.auth.keys import load_client_keys
from esper_bus.net.query_client import QueryClient
from esper_bus.net.server import BusServer
from esper_bus.protocol.query_messages import Refusal, Runs, RunsQuery
from esper_schemas.errors import Refused, Unreachable

LONG_S = 60.0
"""A test that waits this long has failed."""
BUSY = Refusal("Too many questions.", temporary=True)


class Answering:
    """A server in its own thread that gives its answers in turn, and repeats the last one."""

    def __init__(self, address, keys, answers):
        self._answers = list(answers)
        self._stop = threading.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, args=(address, keys))
        self._thread.start()
        assert self._ready.wait(30)

    def _serve(self, address, keys):
        server = BusServer(address, lambda run: {}, keys=keys)
        self._ready.set()
        while not self._stop.is_set():
            server.receive(0.01)
            for peer, question in server.questions():
                server.answer(peer, question.number, self._answers[0])
                del self._answers[: len(self._answers) > 1]
        server.close()

    def close(self):
        """End the thread."""
        self._stop.set()
        self._thread.join()


@pytest.fixture
def server(address, keys):
    """Starts a server with keys."""
    started = []

    def start(*answers):
        started.append(Answering(address, keys, answers or [Runs(("run",))]))

    yield start
    for one in started:
        one.close()


@pytest.fixture
def ask(address):
    """Asks for the runs with a key."""
    clients = []

    def ask(client_keys, timeout_s=LONG_S):
        clients.append(QueryClient(address, client_keys))
        return clients[-1].ask(RunsQuery(), timeout_s)

    yield ask
    for one in clients:
        one.close()


def test_a_key_with_the_right_is_answered(server, client, ask):
    """The question is answered over tcp, with real keys."""
    server()

    assert ask(client("viewer", ("view",))) == Runs(("run",))


def test_a_key_that_may_not_view_is_refused_at_once(server, client, ask):
    """The error is raised long before the timeout of the question."""
    server()
    asked_at = time.monotonic()

    with pytest.raises(Refused, match="refuses the key 'trainer'"):
        ask(client("trainer", ("ingest",)))
    assert time.monotonic() - asked_at < LONG_S / 2


def test_no_key_and_a_key_of_another_aggregator_are_refused_at_once(server, tmp_path, ask):
    """Each has a message of its own."""
    server()
    create_server_keys(tmp_path / "other")
    stranger = load_client_keys(add_client(tmp_path / "other", "stranger"))

    with pytest.raises(Refused, match="accepts no connection without a key"):
        ask(None)
    with pytest.raises(Refused, match="its server key is not the one in the key file of 'stranger'"):
        ask(stranger)


def test_a_refused_client_may_ask_again(server, client, keys, address):
    """It makes a new connection, and is answered if the key has been allowed in the meantime."""
    server()
    viewer = client("viewer")
    clients = (keys / "clients.json").read_text()
    remove_client(keys, "viewer")
    one = QueryClient(address, viewer)
    with pytest.raises(Refused):
        one.ask(RunsQuery(), LONG_S)
    (keys / "clients.json").write_text(clients)

    assert one.ask(RunsQuery(), LONG_S) == Runs(("run",))
    one.close()


def test_an_aggregator_that_does_not_answer_is_unreachable(address, client, ask):
    """The error is raised after the timeout of the question."""
    with pytest.raises(Unreachable, match="No aggregator answers at tcp://"):
        ask(client("viewer"), timeout_s=0.2)


def test_a_busy_aggregator_is_asked_again(server, client, ask):
    """A temporary refusal is followed by another question."""
    server(BUSY, BUSY, Runs(("run",)))

    assert ask(client("viewer")) == Runs(("run",))


@pytest.mark.slow
def test_an_aggregator_that_stays_busy_is_unreachable(server, client, ask):
    """The error contains the text of its refusal."""
    server(BUSY)

    with pytest.raises(Unreachable, match="Too many questions"):
        ask(client("viewer"), timeout_s=2.0)


def test_a_refused_question_is_not_asked_again(server, client, ask):
    """A refusal that is not temporary is raised, although the next answer would be a good one."""
    server(Refusal("There is no such log."), Runs(("run",)))

    with pytest.raises(Refused, match="There is no such log"):
        ask(client("viewer"))
