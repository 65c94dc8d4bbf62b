"""A recorded run is published to viewers over sockets, while it falls due."""

import threading
import time
from contextlib import closing, contextmanager

import pytest
import zmq

from esper_aggregator.fold.projection import project
from esper_aggregator.recording import Recording
from esper_aggregator.replay import fold_path, snapshot_of
from esper_aggregator.replaying.recorded_clock import RecordedClock
from esper_aggregator.replaying.replay_service import ReplayService
from esper_aggregator.replaying.replayed_run import ReplayedRun
from esper_bus import addresses
from esper_bus.emit.emitter import Emitter
from esper_bus.net.query_client import QueryClient
from esper_bus.net.snapshot_source import SocketSource
from esper_bus.protocol.query_messages import PastSnapshot, Runs, RunsQuery, SnapshotQuery
from esper_bus.protocol.snapshot_deltas import DeltaDecoder
from esper_bus.protocol.snapshot_messages import parse_snapshot_message
from esper_schemas.codec import encode_snapshot
from esper_schemas.errors import Refused
from esper_schemas.events import LogRecorded

S = 10**9
EVENTS = 40


@pytest.fixture
def endpoints(tmp_path):
    """The addresses of the replay."""
    return addresses.parse(f"ipc://{tmp_path}/s")


@pytest.fixture
def run_dir(tmp_path, raw_record):
    """A run whose events were received 50 ms apart, and another one beside it."""
    for name in ("r", "other"):
        recording = Recording(tmp_path / "runs" / name, 1)
        records = [raw_record(seq, run=name) for seq in range(EVENTS)]
        recording.extend([type(r)(r.stream, r.seq, r.seq * S, r.seq * S // 20, r.data) for r in records])
        recording.close()
    return tmp_path / "runs" / "r"


@contextmanager
def replaying(run_dir, endpoints, speed=1.0, **options):
    """A replay in a thread, with the phases that it went through."""
    clock, phases = RecordedClock(speed), []
    run = ReplayedRun(run_dir, clock, **options)
    service = ReplayService(run_dir, run, clock, endpoints, on_phase=phases.append)
    thread = threading.Thread(target=service.serve)
    thread.start()
    try:
        yield phases
    finally:
        service.stop()
        thread.join(timeout=10)


def messages(endpoints, topic):
    """Position, sequence number, time and body of each snapshot message, up to that of the last event."""
    with zmq.Context() as context, context.socket(zmq.SUB) as socket:
        socket.linger = 0
        socket.connect(endpoints.snapshots)
        socket.subscribe(topic)
        position = 0
        while position < EVENTS and socket.poll(20_000):
            _, head, body = parse_snapshot_message(socket.recv_multipart())
            if body:
                position = head.position
                yield head, body


def until(condition):
    """Wait until a function returns something true."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it did not become true in time"
        time.sleep(0.005)


@pytest.mark.parametrize("topic", [b"snap/", b"thin/"])
def test_each_snapshot_has_the_bytes_of_the_live_one(run_dir, endpoints, topic):
    """Also compressed ones; there are several on the way, and their time is that of the recording."""
    with replaying(run_dir, endpoints):
        seen = list(messages(endpoints, topic))

    decoder = DeltaDecoder()
    for head, body in seen:
        whole = body if topic == b"snap/" else decoder.decode(head.snap_seq, body)
        assert whole == encode_snapshot(project(fold_path(run_dir, events=head.position)))
    positions = [head.position for head, _ in seen]
    assert positions == sorted(positions)
    assert len(set(positions)) > 5
    assert positions[-1] == EVENTS
    assert all(head.sent_ns < 3600 * S for head, _ in seen)


def test_nothing_is_missed_by_the_first_viewer(run_dir, endpoints):
    """The replay waits for it at the requested beginning, and it stops at the requested end."""
    with (
        replaying(run_dir, endpoints, first=10, last=12) as phases,
        closing(SocketSource(lambda: endpoints)) as source,
    ):
        positions = set()
        until(lambda: positions.add(source.poll().snapshot.events_folded) or 12 in positions)
        until(lambda: phases == ["replaying", "stopped"])
    assert positions <= {0, 10, 11, 12}


def test_a_viewer_sees_a_live_run(run_dir, endpoints):
    """Its ages are those of the recording; the last snapshot is the one of the whole run."""
    with replaying(run_dir, endpoints, speed=100.0), closing(SocketSource(lambda: endpoints)) as source:
        until(lambda: source.poll().snapshot.events_folded == EVENTS)
        feed = source.poll()
    assert feed.live
    assert feed.snapshot == snapshot_of(run_dir)
    assert feed.sent_ns - feed.trainer_message_ns < 60 * S
    assert feed.trainer_message_ns == (EVENTS - 1) * S // 20


def test_questions_are_answered_about_the_replayed_run_alone(run_dir, endpoints):
    """Other runs beside it were not published."""
    with replaying(run_dir, endpoints), closing(QueryClient(endpoints)) as client:
        assert client.ask(RunsQuery()) == Runs(("r",))
        answer = client.ask(SnapshotQuery("r", 7))
        assert isinstance(answer, PastSnapshot)
        assert answer.body == encode_snapshot(project(fold_path(run_dir, events=7)))
        with pytest.raises(Refused, match="other"):
            client.ask(SnapshotQuery("other", 7))


def test_a_trainer_is_refused(run_dir, endpoints, tmp_path):
    """With a sentence; its events stay in its spool, and nothing of the replay changes."""
    with replaying(run_dir, endpoints):
        emitter = Emitter("mine", "trainer:0", tmp_path / "mine", endpoints.ingest)
        emitter.emit(LogRecorded(level="info", message="m"))
        until(lambda: "recorded run is replayed here" in emitter.stats.problem)
        emitter.close()
