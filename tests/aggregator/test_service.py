"""The aggregator with real emitters and viewers, in one process."""

import statistics
import threading
import time
from contextlib import closing, contextmanager

import pytest
import zmq
from benchmarks.ports import free_ports

from esper_aggregator import service
from esper_aggregator.replay import snapshot_of
from esper_aggregator.series.index_files import RECENT
from esper_aggregator.service import Aggregator
from esper_bus import addresses
from esper_bus.auth.key_directory import create_server_keys
from esper_bus.emit.emitter import Emitter
from esper_bus.net.query_client import QueryClient
from esper_bus.net.snapshot_source import SocketSource
from esper_bus.protocol.frames import Hello, encode
from esper_bus.protocol.query_messages import HealthQuery
from esper_bus.store.run_reader import read_log
from esper_lite import connect, open_run
from esper_schemas.declarations import RunThresholds
from esper_schemas.errors import Refused
from esper_schemas.events import PPOUpdateCompleted, RunFinished
from esper_schemas.payload import PPOUpdatePayload


@pytest.fixture
def endpoints(tmp_path):
    """Separate addresses for each test."""
    return addresses.parse(f"ipc://{tmp_path}/sockets")


@pytest.fixture
def keys(tmp_path):
    """A directory with the keys of an aggregator."""
    create_server_keys(tmp_path / "keys")
    return tmp_path / "keys"


@contextmanager
def serving(runs_dir, endpoints, **options):
    """An aggregator in a thread."""
    aggregator = Aggregator(runs_dir, endpoints, **options)
    thread = threading.Thread(target=aggregator.serve)
    thread.start()
    try:
        yield thread
    finally:
        aggregator.stop()
        thread.join(timeout=10)


@contextmanager
def watching(endpoints):
    """A viewer, as a function that waits for a feed that fulfils a condition."""
    source = SocketSource(lambda: endpoints)

    def wait(condition, timeout=30.0):
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            feed = source.poll()
            if condition(feed):
                return feed
            time.sleep(0.01)
        pytest.fail("the viewer did not see it in time")

    try:
        yield wait
    finally:
        source.close()


def until(condition, timeout=30.0):
    """Wait until a function returns something true."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "it did not become true in time"
        time.sleep(0.01)


def emit_updates(emitter, numbers):
    """Emit some updates."""
    for n in numbers:
        emitter.emit(PPOUpdateCompleted(update=n, payload=PPOUpdatePayload(policy_loss=n / 10)))


def test_a_viewer_sees_what_the_log_holds(tmp_path, endpoints):
    """Events are acknowledged, logged, folded and published; the viewer's snapshot is the log's fold."""
    with serving(tmp_path, endpoints), watching(endpoints) as wait:
        emitter = Emitter("r", "host:0", tmp_path / "r", endpoints.ingest)
        emit_updates(emitter, range(1, 6))
        feed = wait(lambda feed: feed.snapshot.tamiyo.ppo_updates_count == 5)
        report = emitter.close()

    assert report.acknowledged == 5
    assert feed.snapshot == snapshot_of(tmp_path / "r")
    assert feed.trainer_message_ns is not None


def test_a_late_viewer_gets_the_snapshot_at_once(tmp_path, endpoints):
    """No new event is necessary for it."""
    with serving(tmp_path, endpoints):
        emitter = Emitter("r", "host:0", tmp_path / "r", endpoints.ingest)
        emit_updates(emitter, [1])
        emitter.close()
        with watching(endpoints) as wait:
            feed = wait(lambda feed: feed.snapshot.events_folded == 1)

    assert feed.snapshot.run.run == "r"


def test_a_restarted_aggregator_shows_the_last_run_again(tmp_path, endpoints):
    """No trainer is necessary, and the snapshot equals the fold of the log."""
    with serving(tmp_path, endpoints):
        emitter = Emitter("r", "host:0", tmp_path / "r", endpoints.ingest)
        emit_updates(emitter, [1, 2])
        emitter.emit(RunFinished(outcome="completed", updates=2))
        emitter.close()
    with serving(tmp_path, endpoints), watching(endpoints) as wait:
        feed = wait(lambda feed: feed.snapshot.events_folded == 3)

    assert feed.snapshot == snapshot_of(tmp_path / "r")


@pytest.mark.slow
def test_an_aggregator_that_cannot_read_a_log_refuses_its_trainers_and_serves_the_others(tmp_path, endpoints):
    """The trainer reports the reason, and continues once the log can be read; nothing is logged twice."""
    ingest = endpoints.ingest
    with serving(tmp_path, endpoints), closing(Emitter("r", "host:0", tmp_path / "r", ingest)) as one:
        emit_updates(one, [1, 2])
        until(lambda: one.stats.acknowledged == 2)
    trainer = Emitter("r", "host:1", tmp_path / "elsewhere", endpoints.ingest)
    (log,) = (tmp_path / "r" / "log").glob("*.mcap")
    checkpoints = list((tmp_path / "r" / "log").glob("*.fold"))
    for checkpoint in checkpoints:
        checkpoint.unlink()
    log.rename(tmp_path / "hidden")
    log.mkdir()
    with serving(tmp_path, endpoints):
        emit_updates(trainer, [3])
        until(lambda: "Cannot read the log of" in trainer.stats.problem)
        with closing(Emitter("other", "host:0", tmp_path / "other", endpoints.ingest)) as other:
            emit_updates(other, [1])
            until(lambda: other.stats.acknowledged == 1)
        log.rmdir()
        (tmp_path / "hidden").rename(log)
        until(lambda: trainer.stats.acknowledged == 1)
        trainer.close()

    assert [(r.stream.producer, r.seq) for r in read_log(tmp_path / "r")] == [
        ("host:0", 0),
        ("host:0", 1),
        ("host:1", 0),
    ]


def test_two_runs_are_recorded_separately(tmp_path, endpoints):
    """One aggregator serves every run of its directory."""
    with serving(tmp_path, endpoints):
        emitters = [Emitter(run, "host:0", tmp_path / run, endpoints.ingest) for run in ("a", "b")]
        for count, emitter in enumerate(emitters, start=1):
            emit_updates(emitter, range(count))
        reports = [emitter.close() for emitter in emitters]

    assert [report.acknowledged for report in reports] == [1, 2]
    assert [snapshot_of(tmp_path / run).tamiyo.ppo_updates_count for run in ("a", "b")] == [1, 2]


def test_the_rows_that_the_indexes_of_all_runs_lack_are_limited(tmp_path, endpoints, monkeypatch):
    """They are written early where many runs have some, and the series of each run are whole."""
    monkeypatch.setattr(service, "MAX_ROWS_BYTES", 20_000)
    with serving(tmp_path, endpoints):
        emitters = [Emitter(name, "host:0", tmp_path / name, endpoints.ingest) for name in "abcd"]
        for emitter in emitters:
            emit_updates(emitter, range(1, 21))
        indexes = [tmp_path / name / "log" / RECENT for name in "abcd"]
        until(lambda: sum(index.exists() for index in indexes) >= 3)
        for emitter in emitters:
            emitter.close()

    for name in "abcd":
        assert list(open_run(tmp_path / name).series("policy_loss").x) == list(range(1, 21))


def test_events_that_cannot_be_logged_are_not_acknowledged_and_sent_again(tmp_path, endpoints, monkeypatch):
    """While the disk is full, nothing is acknowledged; afterwards everything is logged once."""
    from esper_bus.mcap.writer import McapWriter

    broken = threading.Event()
    broken.set()
    flush = McapWriter.flush

    def refusing_flush(self):
        if broken.is_set() and "log" in self.path.parts:
            raise OSError(28, "No space left on device")
        flush(self)

    monkeypatch.setattr(McapWriter, "flush", refusing_flush)
    with serving(tmp_path, endpoints), watching(endpoints) as wait:
        emitter = Emitter("r", "host:0", tmp_path / "r", endpoints.ingest)
        emit_updates(emitter, [1, 2, 3])
        wait(lambda feed: feed.snapshot.events_folded == 3)
        emit_updates(emitter, [4])  # when this has arrived, so would an acknowledgement of the others
        wait(lambda feed: feed.snapshot.events_folded == 4)
        refused = emitter.stats.acknowledged
        broken.clear()
        report = emitter.close(timeout=5)

    assert refused == 0
    assert report.acknowledged == 4
    assert snapshot_of(tmp_path / "r").tamiyo.ppo_updates_count == 4


def test_an_aggregator_on_tcp_serves_this_machine_too(tmp_path, keys, monkeypatch):
    """Clients find it at the local address of the runs directory, and need no key there."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    runs_dir, url = tmp_path / "runs", f"tcp://127.0.0.1:{free_ports(len(addresses.Endpoints._fields))}"
    local = addresses.for_runs_dir(runs_dir)
    with serving(runs_dir, addresses.parse(url, keyed=True), keys=keys), watching(local) as wait:
        with connect("r", runs_dir=runs_dir) as telemetry:
            telemetry.emit(PPOUpdatePayload(policy_loss=0.1))
            wait(lambda feed: feed.snapshot.tamiyo.ppo_updates_count == 1)
        report = telemetry.stats

    assert (report.acknowledged, report.problem) == (3, "")


def test_an_aggregator_on_ipc_needs_no_keys(tmp_path, endpoints, keys):
    """Clients without a key are accepted even if a directory of keys is given."""
    with serving(tmp_path, endpoints, keys=keys):
        emitter = Emitter("r", "host:0", tmp_path / "r", endpoints.ingest)
        emit_updates(emitter, [1])
        report = emitter.close()

    assert (report.acknowledged, report.problem) == (1, "")


def test_an_idle_aggregator_ends_by_itself(tmp_path, endpoints):
    """Without trainer and viewer it ends after `idle_exit_s`."""
    with serving(tmp_path, endpoints, idle_exit_s=0.3) as thread:
        thread.join(timeout=10)

        assert not thread.is_alive()


def test_a_second_aggregator_for_the_same_runs_is_refused(tmp_path, endpoints):
    """It is refused even with another address."""
    with serving(tmp_path, endpoints), watching(endpoints) as wait:
        wait(lambda feed: feed.received_ns is not None)
        with pytest.raises(Refused):
            Aggregator(tmp_path, addresses.parse(f"ipc://{tmp_path}/elsewhere")).serve()


def test_the_spool_of_a_dead_trainer_is_adopted_and_shown(tmp_path, endpoints):
    """Events recorded without an aggregator are logged once by the next one, and shown."""
    emitter = Emitter("r", "host:0", tmp_path / "r")
    emit_updates(emitter, range(1, 6))
    emitter.close()
    for _ in range(2):
        with serving(tmp_path, endpoints), watching(endpoints) as wait:
            feed = wait(lambda feed: feed.snapshot.tamiyo.ppo_updates_count == 5)
            wait(lambda feed: not list(tmp_path.glob("r/spool/*.lock")))

    assert feed.snapshot.events_folded == 5
    assert [record.seq for record in read_log(tmp_path / "r")] == [0, 1, 2, 3, 4]


def test_the_spool_of_a_trainer_that_lives_is_not_adopted(tmp_path, endpoints):
    """A trainer that is alive but not connected may still send its events itself."""
    emitter = Emitter("r", "host:0", tmp_path / "r")
    emit_updates(emitter, range(1, 6))
    with serving(tmp_path, endpoints, idle_exit_s=0.5) as thread:
        thread.join(timeout=10)

    assert not thread.is_alive()
    assert list(read_log(tmp_path / "r")) == []
    emitter.close()


@pytest.mark.slow
def test_two_running_trainers_with_one_name_are_reported(tmp_path, endpoints, monkeypatch):
    """Events of both are logged; the snapshot reports one duplicate until one of them ends."""
    monkeypatch.setattr("esper_bus.protocol.duplicate_producers.GRACE_S", 0.0)
    monkeypatch.setattr("esper_bus.protocol.duplicate_producers.ALIVE_S", 2.0)
    with serving(tmp_path, endpoints), watching(endpoints) as wait:
        first, second = (Emitter("r", "host:0", tmp_path / "r", endpoints.ingest) for _ in range(2))
        emit_updates(first, [1])
        wait(lambda feed: feed.snapshot.events_folded == 1)
        emit_updates(second, [1])
        wait(lambda feed: feed.snapshot.events_folded == 2)
        emit_updates(first, [2])
        wait(lambda feed: feed.snapshot.link.duplicate_producers == 1)
        first.close()
        wait(lambda feed: feed.snapshot.link.duplicate_producers == 0)
        second.close()

    assert len(list(read_log(tmp_path / "r"))) == 3


@pytest.mark.slow
def test_many_runs_delay_no_trainer(tmp_path, endpoints):
    """After a HELLO for each of 2,000 runs, a question takes less than 0.1 s of processor time."""
    context = zmq.Context()
    with serving(tmp_path, endpoints), closing(QueryClient(endpoints)) as client:
        peer = context.socket(zmq.DEALER)
        peer.set_hwm(0)
        peer.connect(endpoints.ingest)
        for number in range(2000):
            hello = Hello(run=f"run{number}", producer="x", epoch=number, first=0, next=0)
            peer.send_multipart(encode(hello))
        while len(client.ask(HealthQuery(), 30).positions) < 2000:
            time.sleep(0.05)
        costs = []
        for _ in range(20):
            before = time.process_time()
            client.ask(HealthQuery(), 30)
            costs.append(time.process_time() - before)
        context.destroy(linger=0)

    assert statistics.median(costs) < 0.1  # seconds of processor time


@pytest.mark.process
def test_thresholds_of_the_aggregator_apply_to_all_runs(tmp_path, endpoints):
    """A viewer sees values and findings by them; the run itself gives others."""
    wide = "[kl_divergence]\nwarning_above = inf\ncritical_above = inf\n"
    strict = "[kl_divergence]\nwarning_above = 0.001\ncritical_above = 0.002\n"
    options = {"runs_dir": tmp_path, "aggregator": f"ipc://{tmp_path}/sockets", "thresholds": wide}
    with (
        serving(tmp_path, endpoints, thresholds=RunThresholds(strict)),
        watching(endpoints) as wait,
        connect("r", **options) as telemetry,
    ):
        for _ in range(6):
            telemetry.emit(PPOUpdatePayload(kl_divergence=0.2))
        snapshot = wait(lambda feed: feed.snapshot.tamiyo.ppo_updates_count == 6).snapshot

    assert snapshot.tamiyo.thresholds.text == strict
    assert [finding.rule for finding in snapshot.findings] == ["large_updates"]
    assert snapshot_of(tmp_path / "r").findings == ()
