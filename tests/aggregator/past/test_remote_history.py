"""Questions about the past are answered by an aggregator, over real sockets."""

import threading
import time

import pytest
from benchmarks.ports import free_ports
from tests.aggregator.past.recorded_runs import record, resumed, whole

from esper_aggregator.past.local_history import LocalHistory
from esper_aggregator.query_service import QueryService
from esper_bus import addresses
from esper_bus.auth.key_directory import add_client, create_server_keys
from esper_bus.auth.keys import load_client_keys
from esper_bus.net import remote_history
from esper_bus.net.remote_history import RemoteHistory
from esper_bus.net.server import BusServer
from esper_bus.protocol.query_messages import AggregatorHealth
from esper_schemas.codec import encode_plain
from esper_schemas.errors import Unreachable
from esper_schemas.history import (
    AtEvent,
    AtTime,
    AtUpdate,
    MarksQuestion,
    PastSnapshot,
    SeriesQuestion,
    SnapshotQuestion,
    Unanswered,
)

WAIT_S = 30


class Serving:
    """The queries of an aggregator in a thread; `history` tells whether it is of a version that has them."""

    def __init__(self, runs_dir, endpoints, epoch=1, keys=None, *, history=True):
        self.questions = []
        self._history = history
        self._epoch = epoch
        self._stop = threading.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, args=(runs_dir, endpoints, keys))
        self._thread.start()
        assert self._ready.wait(WAIT_S)

    def _serve(self, runs_dir, endpoints, keys):
        service = QueryService(runs_dir, self._health)
        server = BusServer(endpoints, lambda run: {}, agg_epoch=self._epoch, keys=keys)
        self._ready.set()
        while not self._stop.is_set():
            server.receive(0 if service.busy else 0.005)
            for peer, question in server.questions():
                self.questions.append(question)
                service.submit(peer, question)
            for peer, number, answer in service.answers():
                server.answer(peer, number, answer)
        server.close()

    def _health(self):
        return AggregatorHealth(
            agg_epoch=self._epoch,
            pid=1,
            uptime_s=1.0,
            subscribers=0,
            rejected=0,
            positions={},
            history=self._history,
        )

    def close(self):
        """End the thread."""
        self._stop.set()
        self._thread.join()


@pytest.fixture
def runs_dir(tmp_path):
    """A runs directory with one run."""
    record(tmp_path / "runs" / "r", resumed())
    return tmp_path / "runs"


@pytest.fixture
def endpoints(tmp_path):
    """Local addresses."""
    return addresses.parse(f"ipc://{tmp_path}/sockets")


@pytest.fixture
def serving():
    """Makes a function that starts an aggregator's queries."""
    started = []

    def start(*arguments, **options):
        started.append(Serving(*arguments, **options))
        return started[-1]

    yield start
    for each in started:
        each.close()


@pytest.fixture
def history():
    """Makes a function that opens a history, which is closed at the end."""
    opened = []

    def make(kind, *arguments, **options):
        opened.append(kind(*arguments, **options))
        return opened[-1]

    yield make
    for each in opened:
        each.close()


def answers(history, *questions):
    """The answers to some questions, in their order."""
    return collected(history, [history.ask(question) for question in questions])


def collected(history, numbers):
    """The answers of these numbers."""
    found, deadline = {}, time.monotonic() + WAIT_S
    while len(found) < len(numbers) and time.monotonic() < deadline:
        found |= dict(history.answers())
        time.sleep(0.001)
    return [found[number] for number in numbers]


QUESTIONS = [
    *(SnapshotQuestion(AtEvent(events)) for events in (0, 1, 77, 150, 10**9)),
    *(SnapshotQuestion(AtUpdate(update)) for update in (0, 20, 35, 10**9)),
    SnapshotQuestion(AtTime(1_700_000_050_000_000_000)),
    MarksQuestion(),
    SeriesQuestion(metrics=("policy_loss",), points=10),
]


def test_an_aggregator_gives_the_answers_that_the_files_give(runs_dir, endpoints, serving, history):
    """Byte for byte, for all kinds of questions."""
    serving(runs_dir, endpoints)
    remote = answers(history(RemoteHistory, lambda: endpoints, "r"), *QUESTIONS)
    local = answers(history(LocalHistory, runs_dir / "r"), *QUESTIONS)

    assert [encode_plain(answer) for answer in remote] == [encode_plain(answer) for answer in local]
    assert not any(isinstance(answer, Unanswered) for answer in local)


def test_several_viewers_ask_at_the_same_time(runs_dir, endpoints, serving, history):
    """Each has the answers to its own questions."""
    serving(runs_dir, endpoints)
    viewers = [history(RemoteHistory, lambda: endpoints, "r") for _ in range(3)]
    numbers = [[viewer.ask(question) for question in QUESTIONS[at:]] for at, viewer in enumerate(viewers)]
    found = [
        [encode_plain(answer) for answer in collected(viewer, asked)]
        for viewer, asked in zip(viewers, numbers, strict=True)
    ]

    assert found[0][1:] == found[1]
    assert found[0][2:] == found[2]


def test_a_run_that_does_not_exist_is_a_sentence(runs_dir, endpoints, serving, history):
    """A name is never used as a path."""
    serving(runs_dir, endpoints)
    for run in ("other", "../runs/r", ""):
        (answer,) = answers(history(RemoteHistory, lambda: endpoints, run), MarksQuestion())

        assert isinstance(answer, Unanswered)
        assert "There is no log of a run" in answer.text
        assert answer.temporary is (run == "other")


def test_a_viewer_that_waits_sees_a_run_when_it_begins(runs_dir, endpoints, serving, history):
    """The refusal of its first question does not last."""
    serving(runs_dir, endpoints)
    asked = history(RemoteHistory, lambda: endpoints, "later")
    (before,) = answers(asked, MarksQuestion())
    record(runs_dir / "later", whole())
    (after,) = answers(asked, MarksQuestion())

    assert before.temporary
    assert after.last.update == 50


def test_an_aggregator_of_an_earlier_version_is_a_sentence(runs_dir, endpoints, serving, history):
    """It would ignore the questions, so they are not sent."""
    old = serving(runs_dir, endpoints, history=False)
    (answer,) = answers(history(RemoteHistory, lambda: endpoints, "r"), MarksQuestion())

    assert "is of a version that answers no questions about the past" in answer.text
    assert not answer.temporary
    assert {type(question.query).__name__ for question in old.questions} == {"HealthQuery"}


def test_questions_are_asked_again_after_a_restart(runs_dir, endpoints, serving, history, monkeypatch):
    """They may wait until an aggregator is there."""
    monkeypatch.setattr(remote_history, "PING_AFTER_S", 0.05)
    monkeypatch.setattr(remote_history, "RENEW_AFTER_S", 0.3)
    asked = history(RemoteHistory, lambda: endpoints, "r")
    early = asked.ask(SnapshotQuestion(AtUpdate(3)))
    first = serving(runs_dir, endpoints)
    (answer,) = collected(asked, [early])
    first.close()
    later = asked.ask(SnapshotQuestion(AtUpdate(4)))
    serving(runs_dir, endpoints, epoch=2)

    assert isinstance(answer, PastSnapshot)
    assert isinstance(collected(asked, [later])[0], PastSnapshot)


def test_an_aggregator_that_stays_away_is_a_sentence(endpoints, history, monkeypatch):
    """The question may be asked again."""
    monkeypatch.setattr(remote_history, "GIVE_UP_AFTER_S", 0.1)
    (answer,) = answers(history(RemoteHistory, lambda: endpoints, "r"), MarksQuestion())

    assert answer == Unanswered(f"No aggregator answers at {endpoints.query}.", temporary=True)


def test_an_address_that_cannot_be_found_is_a_sentence(history):
    """What the error says is the answer."""

    def resolve():
        raise Unreachable("There is no aggregator here.")

    (answer,) = answers(history(RemoteHistory, resolve, "r"), MarksQuestion())

    assert answer == Unanswered("There is no aggregator here.")


@pytest.fixture
def keyed(tmp_path, runs_dir, serving):
    """An aggregator over tcp with keys; returns its addresses and a function that makes client keys."""
    create_server_keys(tmp_path / "keys")
    endpoints = addresses.parse(f"tcp://127.0.0.1:{free_ports(3)}", keyed=True)

    def client(name, rights):
        return load_client_keys(add_client(tmp_path / "keys", name, rights))

    clients = {"viewer": client("viewer", ("view",)), "trainer": client("trainer", ("ingest",))}
    serving(runs_dir, endpoints, keys=tmp_path / "keys")
    return endpoints, clients


def test_who_may_view_may_ask(keyed, history):
    """The past is encrypted and needs the right to view, as the present does."""
    endpoints, clients = keyed
    ask = [SnapshotQuestion(AtUpdate(3))]
    (allowed,) = answers(history(RemoteHistory, lambda: endpoints, "r", clients["viewer"]), *ask)
    (refused,) = answers(history(RemoteHistory, lambda: endpoints, "r", clients["trainer"]), *ask)

    assert isinstance(allowed, PastSnapshot)
    assert "refuses the key 'trainer'" in refused.text


def test_a_run_that_grows_has_more_to_ask_for(tmp_path, runs_dir, endpoints, serving, history):
    """The log is read as far as it goes when the question arrives."""
    events = list(whole(90))
    recording = record(runs_dir / "live", events[:100], close=False)
    serving(runs_dir, endpoints)
    asked = history(RemoteHistory, lambda: endpoints, "live")
    (before,) = answers(asked, SnapshotQuestion(AtEvent(10**9)))
    recording.extend(events[100:])
    recording.flush()
    (after,) = answers(asked, SnapshotQuestion(AtEvent(10**9)))

    assert (before.place.events, after.place.events) == (100, len(events))
