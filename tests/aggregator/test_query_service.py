"""The service answers every question, even if files cannot be read, and never raises."""

import shutil
import threading
import time
from contextlib import closing

import msgspec
import pytest
import zmq

from esper_aggregator.fold.fold import fold_all
from esper_aggregator.fold.projection import project
from esper_aggregator.fold.run_state import RunState
from esper_aggregator.query_service import MAX_JOBS, MAX_JOBS_OF_PEER, QueryService
from esper_aggregator.recording import Recording
from esper_bus import addresses
from esper_bus.net.server import BusServer
from esper_bus.net.sockets import query_client
from esper_bus.protocol.query_messages import (
    AggregatorHealth,
    EventsPage,
    EventsQuery,
    HealthQuery,
    PastSnapshot,
    Question,
    Refusal,
    Runs,
    RunsQuery,
    SnapshotQuery,
    parse_reply,
)
from esper_bus.records import RawRecord, StreamKey
from esper_schemas.codec import encode_event, encode_snapshot
from esper_schemas.events import PPOUpdateCompleted
from esper_schemas.payload import PPOUpdatePayload


def broken_health():
    """A report of the health that fails."""
    raise OSError(5, "Input/output error")


@pytest.fixture
def answers(tmp_path):
    """Asks a service whose health report fails; returns the answers."""
    service = QueryService(tmp_path, broken_health)

    def ask(*queries):
        for number, query in enumerate(queries):
            service.submit(b"peer", Question(number, query))
        found = []
        while service.busy:
            found += [answer for _, _, answer in service.answers()]
        return found

    return ask


def test_a_failure_is_answered_with_a_refusal(answers):
    """The refusal contains the text of the error."""
    (answer,) = answers(HealthQuery())

    assert isinstance(answer, Refusal)
    assert "Input/output error" in answer.text


@pytest.mark.slow
def test_runs_may_be_deleted_while_they_are_listed(answers, tmp_path):
    """Directories are made and deleted all the time: each answer contains the one that stays."""
    (tmp_path / "stays" / "log").mkdir(parents=True)
    stop = threading.Event()

    def churn():
        while not stop.is_set():
            for number in range(30):
                (tmp_path / f"old{number}" / "log").mkdir(parents=True)
            for number in range(30):
                shutil.rmtree(tmp_path / f"old{number}")

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        deadline = time.monotonic() + 1.5
        while time.monotonic() < deadline:
            (answer,) = answers(RunsQuery())
            assert isinstance(answer, Runs)
            assert "stays" in answer.names
    finally:
        stop.set()
        thread.join()


def test_a_run_that_does_not_exist_is_refused(answers):
    """Other questions at the same time are answered."""
    found = answers(EventsQuery("no"), SnapshotQuery("no", 3), RunsQuery())

    assert [type(answer) for answer in found] == [Refusal, Refusal, Runs]


@pytest.fixture
def recorded(tmp_path):
    """Records a run of 30 updates, each logged for itself; returns its records."""
    key = StreamKey("run", "trainer:0", 1)

    def record(seq):
        event = PPOUpdateCompleted(update=seq + 1, payload=PPOUpdatePayload(policy_loss=0.5 * seq))
        return RawRecord(key, seq, 10**18 + seq, 10**18 + seq, encode_event(event))

    records = [record(seq) for seq in range(30)]
    recording = Recording(tmp_path / "run", 1)
    for each in records:
        recording.extend([each])
        recording.flush()
    recording.close()
    return records


def test_the_health_is_that_of_the_aggregator(tmp_path):
    """The service asks for it when it answers."""
    health = AggregatorHealth(agg_epoch=1, pid=2, uptime_s=3.0, subscribers=4, rejected=5, positions={})
    service = QueryService(tmp_path, lambda: health)
    service.submit(b"peer", Question(7, HealthQuery()))

    assert list(service.answers()) == [(b"peer", 7, health)]
    assert not service.busy


def test_events_are_answered_page_by_page(answers, recorded):
    """A page begins at any position, and says whether it is the last one."""
    first, last, behind = answers(
        EventsQuery("run", 0, 10), EventsQuery("run", 20, 99), EventsQuery("run", 99)
    )

    assert (first.records(), first.at_end) == (recorded[:10], False)
    assert (last.first, last.records(), last.at_end) == (20, recorded[20:], True)
    assert isinstance(behind, EventsPage)
    assert (behind.records(), behind.at_end) == ([], True)


@pytest.mark.parametrize(("asked", "folded"), [(0, 0), (7, 7), (30, 30), (99, 30)])
def test_a_past_snapshot_is_the_fold_of_the_first_events(answers, recorded, asked, folded):
    """Beyond the end of the log it is the last one."""
    (answer,) = answers(SnapshotQuery("run", asked))

    assert isinstance(answer, PastSnapshot)
    assert answer.events == folded
    state = fold_all((record.decoded() for record in recorded[:folded]), RunState(run="run"))
    assert answer.body == encode_snapshot(project(state))


@pytest.mark.parametrize(("peers", "limit"), [(1, MAX_JOBS_OF_PEER), (100, MAX_JOBS)])
def test_no_more_queries_are_accepted_than_can_wait(tmp_path, recorded, peers, limit):
    """Each further one is refused for now, and the others are answered; each client has its own limit."""
    service = QueryService(tmp_path, broken_health)
    for number in range(limit + 3):
        service.submit(b"peer %d" % (number % peers), Question(number, EventsQuery("run")))
    found = []
    while service.busy:
        found += [answer for _, _, answer in service.answers()]
    refused = [answer for answer in found if isinstance(answer, Refusal)]

    assert len(found) == limit + 3
    assert len(refused) == 3
    assert all(answer.temporary for answer in refused)


@pytest.mark.parametrize("run", ["..", "run/log", "", "run\0"])
def test_a_name_is_never_used_as_a_path(answers, recorded, run):
    """It is refused like that of a run that does not exist."""
    (answer,) = answers(EventsQuery(run))

    assert isinstance(answer, Refusal)
    assert not answer.temporary


def test_a_question_of_an_unknown_kind_is_refused_with_its_number(tmp_path):
    """A viewer of a later version learns the reason; bytes that are no question have no answer."""
    endpoints = addresses.parse(f"ipc://{tmp_path}/sockets")
    body = msgspec.msgpack.encode({"number": 7, "query": {"type": "FutureQuery", "run": "run"}})
    with closing(BusServer(endpoints, lambda run: {})) as server, zmq.Context() as context:
        socket = query_client(context)
        socket.connect(endpoints.query)
        for frames in ([b"Q\x01", b"\xc1"], [b"Q\x01", body]):
            socket.send_multipart(frames)
        deadline = time.monotonic() + 30
        while not socket.poll(5) and time.monotonic() < deadline:
            server.receive(0)
            assert server.questions() == []
        reply = parse_reply(socket.recv_multipart())
        socket.close()

    assert (reply.number, type(reply.answer)) == (7, Refusal)
    assert "does not know this kind of question" in reply.answer.text
    assert server.rejected == 2
