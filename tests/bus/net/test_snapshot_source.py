"""Tests of what a screen receives, over real sockets."""

import time
from functools import partial

import pytest

from esper_bus.addresses import for_runs_dir
from esper_bus.net import snapshot_source as source_module
from esper_bus.net.server import BusServer
from esper_bus.net.snapshot_source import SocketSource
from esper_bus.protocol.snapshot_messages import SnapshotHead, encode_snapshot_message
from esper_schemas.codec import encode_snapshot
from esper_schemas.errors import Unreachable
from esper_schemas.snapshot import EMPTY_SNAPSHOT, RunInfo, SanctumSnapshot


def make_snapshot(events=1, run="run", started=1000):
    """A snapshot that differs from others."""
    return SanctumSnapshot(events_folded=events, run=RunInfo(run=run, started_ns=started))


class Aggregator:
    """A server with the last snapshot of some runs, serving as an aggregator does."""

    def __init__(self, endpoints):
        self.server = BusServer(endpoints, lambda run: {})
        self.snapshots = {}

    def show(self, events=1, run="run", started=1000):
        """Publish a snapshot."""
        self.snapshots[run] = make_snapshot(events, run, started)
        self.server.publish(run, events, encode_snapshot(self.snapshots[run]), 77)

    def turn(self):
        """One turn of the loop."""
        self.server.receive(0.005)
        if self.server.wanted():
            for run, shown in self.snapshots.items():
                self.server.publish(run, shown.events_folded, encode_snapshot(shown), 77)


@pytest.fixture
def aggregator(endpoints):
    """Makes aggregators; only one can be open at a time."""
    made = []

    def make():
        made.append(Aggregator(endpoints))
        return made[-1]

    yield make
    for one in made:
        one.server.close()


@pytest.fixture
def source(endpoints):
    """A source of the aggregator of the runs directory."""
    source = SocketSource(lambda: endpoints)
    yield source
    source.close()


@pytest.fixture
def shown(until):
    """Runs an aggregator and a source until a condition on the source's feed holds; returns the feed."""

    def wait(aggregator, source, condition, timeout=30.0):
        def turn():
            aggregator.turn()
            feed = source.poll()
            return feed if condition(feed) else None

        return until(turn, timeout)

    return wait


def test_without_an_aggregator_there_is_an_empty_snapshot(source, endpoints):
    """`poll` neither raises nor waits for one."""
    feed = source.poll()

    assert (feed.snapshot, feed.live, feed.received_ns, feed.runs) == (EMPTY_SNAPSHOT, True, None, ())
    assert feed.origin == endpoints.snapshots


def test_a_late_screen_gets_the_snapshot_at_once(aggregator, source, shown):
    """The feed has the times of sending, of receiving, and of the trainer's last message."""
    one = aggregator()
    one.show(5)
    before = time.time_ns()
    feed = shown(one, source, lambda feed: feed.snapshot.events_folded == 5)

    assert feed.snapshot == make_snapshot(5)
    assert before <= feed.sent_ns <= feed.received_ns <= time.time_ns()
    assert (feed.trainer_message_ns, feed.runs, feed.problem) == (77, ("run",), "")


def test_the_newest_snapshot_wins(aggregator, source, shown):
    """One call of `poll` takes all messages that have arrived."""
    one = aggregator()
    one.show(1)
    shown(one, source, lambda feed: feed.snapshot.events_folded == 1)
    for events in range(2, 6):
        one.show(events)
        time.sleep(0.01)
    time.sleep(0.1)

    assert source.poll().snapshot.events_folded == 5


def test_a_keepalive_keeps_the_snapshot(aggregator, source, shown):
    """It only renews the times of the feed."""
    one = aggregator()
    one.show(5)
    first = shown(one, source, lambda feed: feed.snapshot.events_folded == 5)
    one.server.keepalive()
    later = shown(one, source, lambda feed: feed.received_ns > first.received_ns)

    assert later.snapshot is first.snapshot
    assert later.sent_ns > first.sent_ns


def test_a_missed_snapshot_is_requested(aggregator, source, shown):
    """A screen that was suspended while a run ended still shows its end."""
    one = aggregator()
    one.show(5)
    shown(one, source, lambda feed: feed.snapshot.events_folded == 5)
    one.snapshots["run"] = make_snapshot(9)
    one.server._positions["run"] = 9  # published, but lost on the way
    one.server.keepalive()
    feed = shown(one, source, lambda feed: feed.snapshot.events_folded == 9, timeout=2.0)

    assert feed.snapshot == make_snapshot(9)


def test_the_newest_run_is_shown(aggregator, source, shown):
    """The newest is the one that started last, in any order of arrival, unless another one is selected."""
    one = aggregator()
    one.show(1, "old", 1000)
    one.show(2, "new", 3000)
    one.show(3, "mid", 2000)
    feed = shown(one, source, lambda feed: feed.runs == ("new", "mid", "old"))

    assert feed.snapshot.run.run == "new"

    source.select("old")

    assert source.poll().snapshot == make_snapshot(1, "old", 1000)

    source.select(None)

    assert source.poll().snapshot.run.run == "new"


def test_a_run_that_was_selected_before_it_exists_is_waited_for(aggregator, source, shown):
    """Until then no other run is shown."""
    one = aggregator()
    one.show(1, "other", 1000)
    source.select("mine")
    feed = shown(one, source, lambda feed: feed.runs == ("other",))

    assert feed.snapshot == EMPTY_SNAPSHOT

    one.show(4, "mine", 500)
    feed = shown(one, source, lambda feed: feed.snapshot.events_folded == 4)

    assert feed.snapshot.run.run == "mine"


def test_a_restarted_aggregator_is_followed(aggregator, source, shown):
    """The snapshots of the new one are shown, although their numbers begin again."""
    one = aggregator()
    for events in range(1, 9):
        one.show(events)
    shown(one, source, lambda feed: feed.snapshot.events_folded == 8)
    one.server.close()
    two = aggregator()
    two.show(3)
    feed = shown(two, source, lambda feed: feed.snapshot.events_folded == 3)

    assert feed.problem == ""


def test_another_address_is_resolved(tmp_path, endpoints, shown, monkeypatch):
    """While nothing is received, the address is resolved again."""
    monkeypatch.setattr(source_module, "RESOLVE_AFTER_S", 0.1)
    elsewhere = for_runs_dir(tmp_path / "elsewhere")
    addresses = [endpoints]
    source = SocketSource(lambda: addresses[-1])
    source.poll()
    one = Aggregator(elsewhere)
    one.show(6)
    addresses.append(elsewhere)
    feed = shown(one, source, lambda feed: feed.snapshot.events_folded == 6)
    source.close()
    one.server.close()

    assert feed.origin == elsewhere.snapshots


def test_an_unresolved_address_is_reported_to_the_user(endpoints, monkeypatch):
    """The feed contains the error, and the address is resolved again later."""
    monkeypatch.setattr(source_module, "RESOLVE_AFTER_S", 0.0)
    answers = [Unreachable("No aggregator runs; start one."), endpoints]

    def resolve():
        answer = answers.pop(0)
        if isinstance(answer, Unreachable):
            raise answer
        return answer

    source = SocketSource(resolve, "here")
    feed = source.poll()
    source.poll()
    source.close()

    assert (feed.problem, feed.origin) == ("No aggregator runs; start one.", "here")
    assert answers == []


def publish(one, body, version=1):
    """Send a malformed snapshot message."""
    frames = encode_snapshot_message("run", SnapshotHead(1, 10**6, 5, 1, 1), body)
    frames[1] = bytes([version]) + frames[1][1:]
    one.server._listeners.snapshots.send_multipart(frames)


@pytest.mark.parametrize(
    ("body", "version", "problem"),
    [
        (b"\xc1junk", 1, "cannot be read"),
        (b"\x81\xa3run\x01", 1, "cannot be read"),
        (encode_snapshot(SanctumSnapshot(version=99)), 1, "another version \\(snapshot version 99\\)"),
        (encode_snapshot(make_snapshot(7)), 2, "another version \\(version 2\\)"),
    ],
)
def test_a_malformed_snapshot_is_reported(aggregator, source, shown, body, version, problem):
    """The last good one is still shown, and the next good one ends the problem."""
    one = aggregator()
    one.show(5)
    shown(one, source, lambda feed: feed.snapshot.events_folded == 5)
    publish(one, body, version)
    feed = shown(one, source, lambda feed: feed.problem)

    with pytest.raises(AssertionError, match=problem):
        raise AssertionError(feed.problem)
    assert feed.snapshot.events_folded == 5

    two = one.server
    two.agg_epoch += 1
    one.show(6)
    feed = shown(one, source, lambda feed: feed.snapshot.events_folded == 6)

    assert feed.problem == ""


@pytest.fixture
def compressed_source(endpoints):
    """A source that requests compressed snapshots."""
    source = SocketSource(lambda: endpoints, compress=True)
    yield source
    source.close()


def _has_folded(events, feed):
    return feed.snapshot.events_folded == events


def test_a_compressed_connection_gives_the_same_snapshots(aggregator, compressed_source, source, shown):
    """Compressed and uncompressed screens show the same at the same time."""
    one = aggregator()
    for events in range(1, 6):
        one.show(events)
        arrived = partial(_has_folded, events)
        compressed, whole = shown(one, compressed_source, arrived), shown(one, source, arrived)

        assert compressed.snapshot == whole.snapshot == make_snapshot(events)
        assert compressed.problem == ""
    assert one.server.viewers == 2


def test_a_missed_keyframe_is_requested(aggregator, compressed_source, shown):
    """A screen that has lost a keyframe does not wait for the next one."""
    one = aggregator()
    one.show(1)
    shown(one, compressed_source, lambda feed: feed.snapshot.events_folded == 1)
    run = compressed_source._runs["run"]
    run.decoder = type(run.decoder)()  # as if the keyframe had been lost
    one.show(2)
    feed = shown(one, compressed_source, lambda feed: feed.snapshot.events_folded == 2, timeout=2.0)

    assert feed.snapshot == make_snapshot(2)


def test_closing_twice_is_harmless(endpoints):
    """`poll` works after it too, since the screen may be drawn once more."""
    source = SocketSource(lambda: endpoints)
    source.poll()
    source.close()
    source.close()

    assert source.poll().snapshot == EMPTY_SNAPSHOT


def has_chosen(feed):
    """Whether the source stays with a run from now on."""
    return bool(feed.selected)


def test_a_source_stays_with_the_run_that_it_shows(aggregator, source, shown, monkeypatch):
    """A run that begins later is named as new, and is shown once it is selected."""
    monkeypatch.setattr(source_module, "CHOICE_S", 0.05)
    one = aggregator()
    one.show(1, "old", 1000)
    one.show(2, "new", 3000)
    feed = shown(one, source, has_chosen)
    assert (feed.selected, feed.new_runs) == ("new", ())

    one.show(1, "newest", 4000)
    feed = shown(one, source, lambda feed: "newest" in feed.runs)
    assert (feed.snapshot.run.run, feed.new_runs) == ("new", ("newest",))

    source.select("newest")
    feed = source.poll()
    assert (feed.snapshot.run.run, feed.new_runs) == ("newest", ())


def test_runs_are_known_after_a_selection(aggregator, source, shown, monkeypatch):
    """Selecting the run that is shown keeps it, and no run that is there already is new any more."""
    monkeypatch.setattr(source_module, "CHOICE_S", 0.05)
    one = aggregator()
    one.show(1, "first", 1000)
    shown(one, source, has_chosen)
    one.show(1, "second", 2000)
    shown(one, source, lambda feed: feed.new_runs == ("second",))
    source.select("first")
    one.show(1, "third", 3000)
    feed = shown(one, source, lambda feed: "third" in feed.runs)

    assert (feed.snapshot.run.run, feed.new_runs) == ("first", ("third",))


def test_a_selected_run_is_waited_for(aggregator, source, shown):
    """Until it begins there is no snapshot, and the runs that are there at the beginning are not new."""
    source.select("later")
    one = aggregator()
    one.show(1, "early", 1000)
    feed = shown(one, source, lambda feed: feed.runs == ("early",))
    assert (feed.snapshot, feed.selected, feed.new_runs) == (EMPTY_SNAPSHOT, "later", ())

    one.show(3, "later", 2000)
    feed = shown(one, source, lambda feed: feed.snapshot.events_folded == 3)
    assert feed.snapshot.run.run == "later"


def test_a_source_has_the_name_that_it_is_given(endpoints):
    """It need not be the address of the snapshots, which differs from that of the aggregator over tcp."""
    source = SocketSource(lambda: endpoints, "tcp://127.0.0.1:5556")

    assert source.poll().origin == "tcp://127.0.0.1:5556"

    source.close()
