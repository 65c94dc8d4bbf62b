"""Subscriptions to events and questions, with real aggregators, trainers and subscribers."""

import os
import subprocess
import sys
import threading
import time
from contextlib import closing
from itertools import islice
from pathlib import Path

import pytest
import zmq
from benchmarks.ports import free_ports

import esper_lite
from esper_aggregator.replay import snapshot_of
from esper_bus.addresses import Endpoints, for_runs_dir, parse
from esper_bus.auth.key_directory import add_client, create_server_keys
from esper_bus.auth.keys import load_client_keys
from esper_bus.emit.emitter import Emitter
from esper_bus.net.query_client import QueryClient
from esper_bus.protocol.event_batches import TOPIC
from esper_bus.protocol.query_messages import (
    AggregatorHealth,
    EventsPage,
    EventsQuery,
    HealthQuery,
    Runs,
    RunsQuery,
    SnapshotQuery,
)
from esper_bus.store.run_reader import read_log
from esper_schemas.codec import encode_snapshot
from esper_schemas.errors import InvalidArgument, Refused, StorageError
from esper_schemas.events import EpisodeCompleted, PPOUpdateCompleted, RunFinished, RunStarted
from esper_schemas.payload import PPOUpdatePayload

ROOT = Path(__file__).parents[2]


@pytest.fixture
def runs_dir(tmp_path):
    """An empty runs directory."""
    return tmp_path / "runs"


@pytest.fixture
def url(tmp_path):
    """A separate address for each test."""
    return f"ipc://{tmp_path}/s"


@pytest.fixture
def aggregator(runs_dir, url):
    """Starts an aggregator process; all are killed at the end."""
    processes = []
    paths = os.pathsep.join(str(ROOT / package) for package in ("schemas", "bus", "aggregator"))

    def start(*, listen=url, keys=None, viewer=None):
        command = [sys.executable, "-m", "esper_aggregator", "--runs-dir", str(runs_dir), "--listen", listen]
        command += [] if keys is None else ["--keys", str(keys)]
        process = subprocess.Popen(
            command, env={**os.environ, "PYTHONPATH": paths}, stderr=subprocess.DEVNULL
        )
        processes.append(process)
        client = QueryClient(parse(listen), viewer)
        client.ask(HealthQuery(), 20)
        client.close()
        return process

    yield start
    for process in processes:
        process.kill()
        process.wait()


@pytest.fixture
def ask(url):
    """Asks the aggregator."""
    client = QueryClient(parse(url))
    yield client.ask
    client.close()


@pytest.fixture
def emitter(runs_dir, url):
    """Emits to a run."""
    emitters = []

    def start(run="run", producer="host:0"):
        emitters.append(Emitter(run, producer, runs_dir / run, parse(url).ingest))
        return emitters[-1]

    yield start
    for emitter in emitters:
        emitter.close()


def episode(number):
    """A small event that differs from the others by its number."""
    return EpisodeCompleted(environment=0, episode=number, episode_return=0.0, length=9)


def emit(emitter, first, end):
    """Emit the episodes `first`..`end`-1."""
    for number in range(first, end):
        emitter.emit(episode(number))


def take(subscription, count):
    """The episodes among the next `count` records."""
    return [record.event.episode for record in islice(subscription, count)]


@pytest.mark.process
def test_past_events_come_first_and_then_new_ones(aggregator, emitter, url):
    """There is no hole and no duplicate between the two while events arrive all the time."""
    aggregator()
    one = emitter()
    emit(one, 0, 3000)

    def emit_more():
        for first in range(3000, 6000, 10):
            emit(one, first, first + 10)
            time.sleep(0.002)

    rest = threading.Thread(target=emit_more)
    rest.start()
    with esper_lite.subscribe(url, run="run", timeout=20) as subscription:
        got = take(subscription, 6000)
        rest.join()

        assert got == list(range(6000))
        assert subscription.position == 6000


@pytest.mark.process
def test_records_carry_their_identity(aggregator, emitter, url):
    """Run, producer, epoch, number and time are those of the trainer."""
    aggregator()
    one = emitter("mine", "box:3")
    one.emit(episode(0))
    one.emit(episode(1))
    with esper_lite.subscribe(url, timeout=20) as subscription:
        first, second = next(subscription), next(subscription)

    assert (first.run, first.producer, first.epoch, first.seq) == ("mine", "box:3", one.epoch, 0)
    assert (second.seq, second.event) == (1, episode(1))
    assert first.emitted_ns <= first.received_ns


@pytest.mark.process
def test_only_events_of_the_given_kinds_are_returned(aggregator, emitter, url):
    """Kinds are classes or names; other events are skipped."""
    aggregator()
    one = emitter()
    one.emit(RunStarted(task="t"))
    emit(one, 0, 50)
    one.emit(PPOUpdateCompleted(update=1, payload=PPOUpdatePayload()))
    with esper_lite.subscribe(
        url, run="run", kinds=[RunStarted, "PPOUpdateCompleted"], timeout=20
    ) as subscription:
        assert [type(record.event) for record in islice(subscription, 2)] == [RunStarted, PPOUpdateCompleted]
        assert subscription.position == 52


@pytest.mark.process
def test_a_restarted_aggregator_is_not_noticed(aggregator, emitter, url):
    """It is killed three times while events are emitted; each arrives once and in order."""
    process = aggregator()
    one = emitter()
    with esper_lite.subscribe(url, run="run", timeout=30) as subscription:
        got = []
        for first in (0, 1000, 2000):
            emit(one, first, first + 500)
            got += take(subscription, 500)
            process.kill()
            process.wait()
            emit(one, first + 500, first + 1000)
            process = aggregator()
            got += take(subscription, 500)

    assert got == list(range(3000))


@pytest.mark.process
def test_a_slow_subscriber_delays_no_other_and_misses_nothing(aggregator, emitter, url, runs_dir):
    """It reads nothing while more events come than are queued for it; then it receives all."""
    aggregator()
    one = emitter()
    slow = esper_lite.subscribe(url, run="run", timeout=20)
    fast = esper_lite.subscribe(url, run="run", timeout=20)
    with slow, fast:
        emit(one, 0, 1)
        assert take(slow, 1) == take(fast, 1) == [0]
        for first in range(1, 20_001, 100):
            emit(one, first, first + 100)
            time.sleep(0.002)
        assert take(fast, 20_000) == list(range(1, 20_001))
        assert len(list(read_log(runs_dir / "run"))) == 20_001
        assert take(slow, 20_000) == list(range(1, 20_001))


@pytest.mark.process
def test_a_subscription_can_begin_anywhere(aggregator, emitter, url):
    """`start` is a number of events to skip, or None for new events only."""
    aggregator()
    one = emitter()
    emit(one, 0, 100)
    with esper_lite.subscribe(url, run="run", timeout=20) as everything:
        take(everything, 100)
    with esper_lite.subscribe(url, run="run", start=90, timeout=20) as later:
        assert take(later, 10) == list(range(90, 100))
    with esper_lite.subscribe(url, run="run", start=None, timeout=20) as new:
        one.emit(episode(100))
        assert take(new, 1) == [100]


@pytest.mark.process
def test_new_events_only_never_means_all_events(aggregator, emitter, url, runs_dir):
    """`start=None` is refused if the log cannot be read; a run that does not exist yet is allowed."""
    aggregator()
    (runs_dir / "odd" / "log" / "directory.mcap").mkdir(parents=True)
    with pytest.raises(Refused, match="cannot be read"):
        esper_lite.subscribe(url, run="odd", start=None)
    with esper_lite.subscribe(url, run="later", start=None, timeout=20) as subscription:
        emitter("later").emit(episode(0))
        assert take(subscription, 1) == [0]


@pytest.mark.process
def test_the_end_of_a_run_that_is_not_open_is_found_page_by_page(aggregator, emitter, url):
    """A restarted aggregator has only the newest run open; the end of another one is found too."""
    process = aggregator()
    old = emitter("old")
    emit(old, 0, 3000)
    old.close()
    new = emitter("new")
    emit(new, 0, 1)
    new.close()
    process.terminate()
    process.wait()
    aggregator()
    with esper_lite.subscribe(url, run="old", start=None, timeout=1.0) as subscription:
        assert list(subscription) == []
        assert subscription.position == 3000


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"kinds": "PPOUpdateComplete"}, "is not a kind of event; .* PPOUpdateCompleted"),
        ({"kinds": [RunStarted, "Unknown"]}, "'Unknown' is not a kind of event"),
        ({"kinds": [int]}, "'int' is not a kind of event"),
        ({"kinds": 3}, "'3' is not a kind of event"),
        ({"start": -5}, "start=-5 is not a number of events"),
        ({"start": "5"}, "start='5' is not a number of events"),
        ({"start": True}, "start=True is not a number of events"),
    ],
)
def test_invalid_options_are_refused(url, options, problem):
    """The error is raised at once, without an aggregator."""
    with pytest.raises(InvalidArgument, match=problem):
        esper_lite.subscribe(url, **options)


@pytest.mark.process
@pytest.mark.parametrize("kind", [EpisodeCompleted, "EpisodeCompleted"])
def test_a_single_kind_needs_no_list(aggregator, emitter, url, kind):
    """A string is one name and not a collection of letters."""
    aggregator()
    one = emitter()
    one.emit(RunStarted(task="t"))
    one.emit(episode(0))
    with esper_lite.subscribe(url, run="run", kinds=kind, timeout=20) as subscription:
        assert take(subscription, 1) == [0]


@pytest.mark.process
def test_a_subscription_may_come_before_its_run(aggregator, emitter, url):
    """It may come before the aggregator too."""
    with esper_lite.subscribe(url, run="later", timeout=30) as subscription:
        aggregator()
        emitter("later-not").emit(episode(7))
        emitter("later").emit(episode(8))

        assert take(subscription, 1) == [8]


@pytest.fixture
def keyed(tmp_path, aggregator, monkeypatch):
    """An aggregator that listens on tcp: its address and its directory of keys."""
    url, keys = f"tcp://127.0.0.1:{free_ports(len(Endpoints._fields))}", tmp_path / "keys"
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    create_server_keys(keys)
    aggregator(listen=url, keys=keys, viewer=load_client_keys(add_client(keys, "first", ("view",))))
    return url, keys


@pytest.mark.process
def test_a_key_that_may_not_view_ends_a_subscription_at_once(keyed):
    """It is refused long before the timeout, and the subscription is closed."""
    url, keys = keyed
    sender = add_client(keys, "sender", ("ingest",))
    begun_at = time.monotonic()
    with (
        esper_lite.subscribe(url, keys=sender, timeout=120) as subscription,
        pytest.raises(Refused, match="refuses the key 'sender'"),
    ):
        next(subscription)

    assert time.monotonic() - begun_at < 60
    assert list(subscription) == []


@pytest.mark.process
def test_a_key_that_may_not_view_is_refused_the_end_of_a_run(keyed):
    """A subscription to new events only is refused when it is made."""
    url, keys = keyed
    with pytest.raises(Refused, match="refuses the key 'sender'"):
        esper_lite.subscribe(url, start=None, keys=add_client(keys, "sender", ("ingest",)))


@pytest.mark.process
def test_a_key_that_may_view_waits_for_its_run(keyed, emitter, runs_dir):
    """A run that does not exist yet is not refused."""
    url, keys = keyed
    with esper_lite.subscribe(url, run="later", keys=add_client(keys, "viewer"), timeout=30) as subscription:
        ingest = for_runs_dir(runs_dir).ingest
        with closing(Emitter("later", "host:0", runs_dir / "later", ingest)) as one:
            one.emit(episode(8))

            assert take(subscription, 1) == [8]


@pytest.mark.process
def test_a_log_that_cannot_be_read_ends_a_subscription(aggregator, url, runs_dir):
    """The error contains the reason."""
    aggregator()
    (runs_dir / "run" / "log" / "0.mcap").mkdir(parents=True)

    with (
        esper_lite.subscribe(url, run="run", timeout=60) as subscription,
        pytest.raises(Refused, match="cannot be read"),
    ):
        next(subscription)


@pytest.mark.process
def test_silence_ends_a_subscription_with_a_timeout(aggregator, emitter, url):
    """A script can read the existing events and end."""
    aggregator()
    emit(emitter(), 0, 3)

    assert [r.event.episode for r in esper_lite.subscribe(url, run="run", timeout=1.0)] == [0, 1, 2]


@pytest.mark.process
@pytest.mark.parametrize("with_aggregator", [False, True])
def test_a_directory_is_followed_while_it_grows(aggregator, emitter, runs_dir, with_aggregator):
    """Existing and new events are read once and in order, from spools alone or with a log."""
    if with_aggregator:
        aggregator()
    one, two = emitter(), emitter(producer="host:1")
    emit(one, 0, 500)
    one_seqs, two_seqs = [], []
    timeout = 20
    while one.stats.spooled < 500:
        time.sleep(0.005)
    with esper_lite.subscribe(runs_dir / "run", timeout=timeout) as subscription:
        for _ in range(500):
            one_seqs.append(next(subscription).seq)
        for number in range(500, 1000, 50):
            emit(one, number, number + 50)
            emit(two, number, number + 50)
            for _ in range(100):
                record = next(subscription)
                (one_seqs if record.producer == "host:0" else two_seqs).append(record.seq)

    assert one_seqs == list(range(1000))
    assert two_seqs == list(range(500))


def test_a_file_is_followed_while_it_grows(emitter, runs_dir):
    """A single spool is read from a given event on."""
    one = emitter()
    emit(one, 0, 10)
    while one.stats.spooled < 10:
        time.sleep(0.005)
    with esper_lite.subscribe(one.stats.spool, start=5, timeout=20) as subscription:
        assert take(subscription, 5) == [5, 6, 7, 8, 9]
        one.emit(episode(10))
        assert take(subscription, 1) == [10]


def test_a_number_of_events_is_not_a_position_in_a_directory(emitter, runs_dir):
    """The order changes when an aggregator logs events of spools; only its end can be requested."""
    one = emitter()
    emit(one, 0, 10)
    while one.stats.spooled < 10:
        time.sleep(0.005)
    with pytest.raises(InvalidArgument, match=r"start=5 is not a fixed position"):
        esper_lite.subscribe(runs_dir / "run", start=5)
    with esper_lite.subscribe(runs_dir / "run", start=None, timeout=20) as subscription:
        one.emit(episode(10))
        assert take(subscription, 1) == [10]


def test_a_missing_path_is_an_error(tmp_path):
    """A path that does not exist is an error and not waited for."""
    with pytest.raises(StorageError, match="Cannot read"):
        esper_lite.subscribe(tmp_path / "nothing")


@pytest.mark.process
def test_questions_are_answered(aggregator, emitter, ask, runs_dir):
    """Questions for runs, a page of events, a past snapshot and the health are answered."""
    process = aggregator()
    one = emitter()
    one.emit(RunStarted(task="t"))
    for update in range(1, 21):
        one.emit(PPOUpdateCompleted(update=update, payload=PPOUpdatePayload(policy_loss=update / 8)))
    one.emit(RunFinished(outcome="completed", updates=20))
    one.close()
    health = ask(HealthQuery())
    page = ask(EventsQuery("run", 5, 3))
    past = ask(SnapshotQuery("run", 11))

    assert isinstance(health, AggregatorHealth)
    assert (health.pid, health.positions) == (process.pid, {"run": 22})
    assert ask(RunsQuery()) == Runs(("run",))
    assert isinstance(page, EventsPage)
    assert [record.seq for record in page.records()] == [5, 6, 7]
    assert not page.at_end
    assert past.events == 11
    process.terminate()
    process.wait()
    assert past.body == encode_snapshot(snapshot_of(runs_dir / "run", events=11))


@pytest.mark.process
@pytest.mark.parametrize("run", ["nothing", "../run", "", "run/../run"])
def test_a_run_that_does_not_exist_is_refused(aggregator, ask, run):
    """So is a name that would lead out of the runs directory."""
    aggregator()

    with pytest.raises(Refused, match="There is no log of a run"):
        ask(EventsQuery(run))


@pytest.mark.process
def test_a_page_is_bounded(aggregator, emitter, ask):
    """A question for all events is answered with the first 1024."""
    aggregator()
    one = emitter()
    emit(one, 0, 3000)
    one.close()
    page = ask(EventsQuery("run", 0, 1 << 60))

    assert len(page.records()) == 1024
    assert not page.at_end
    assert ask(EventsQuery("run", 1 << 60)).records() == []


@pytest.mark.process
def test_malformed_messages_are_rejected_and_others_are_served(aggregator, emitter, url, ask):
    """Malformed questions are counted, and the number of subscriptions is limited."""
    aggregator()
    one = emitter()
    emit(one, 0, 10)
    endpoints = parse(url)
    context = zmq.Context()
    query, snapshots = context.socket(zmq.DEALER), context.socket(zmq.SUB)
    try:
        query.connect(endpoints.query)
        snapshots.connect(endpoints.snapshots)
        for junk in (
            [b""],
            [b"Q\x01"],
            [b"Q\x01", b"\xc1"],
            [b"Q\x01", b"\x91" * 3000],
            [b"Q\x09", b""],
            [b"x"] * 9,
        ):
            query.send_multipart(junk)
        for number in range(3000):
            snapshots.subscribe(TOPIC + b"%d" % number)
        snapshots.subscribe(TOPIC + b"\xff/../")
        with esper_lite.subscribe(url, run="run", timeout=20) as subscription:
            assert take(subscription, 10) == list(range(10))
        health = ask(HealthQuery())

        assert health.rejected == 6
        assert health.subscribers <= 1001
    finally:
        context.destroy(linger=0)
