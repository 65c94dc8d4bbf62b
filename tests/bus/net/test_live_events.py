"""Events of a live log: queried where they were missed, received where they are published."""

import gc
import threading

import pytest

from esper_bus.addresses import parse
from esper_bus.net.live_events import LiveEvents
from esper_bus.net.server import BusServer
from esper_bus.protocol.query_messages import (
    AggregatorHealth,
    EventsPage,
    EventsQuery,
    Refusal,
    Runs,
    RunsQuery,
)
from esper_schemas.errors import InvalidArgument, Refused, Unreachable

PAGE = 4


class Aggregator:
    """A server with the logs of some runs in memory, which answers in pages of four events.

    With `publishes` false its subscribers miss everything and have to ask.
    """

    def __init__(self, endpoints):
        self.logs = {}
        self.publishes = True
        self.asked = 0
        self.answer = None
        self._server = BusServer(endpoints, lambda run: {})
        self._added = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def add(self, run, records):
        """Log records, and publish them."""
        self._added.append((run, records))

    def stop(self):
        """End the server."""
        self._stop.set()
        self._thread.join()

    def _serve(self):
        while not self._stop.is_set():
            self._server.receive(0.005)
            while self._added:
                run, records = self._added.pop(0)
                log = self.logs.setdefault(run, [])
                first = len(log)
                log += records
                if self.publishes:
                    self._server.publish_events(run, first, records)
            for peer, question in self._server.questions():
                self._server.answer(peer, question.number, self.answer or self._answer(question.query))
        self._server.close()

    def _answer(self, query):
        if isinstance(query, RunsQuery):
            return Runs(tuple(reversed(self.logs)))
        if isinstance(query, EventsQuery):
            self.asked += 1
            if query.run not in self.logs:
                return Refusal("There is no such run.")
            page = self.logs[query.run][query.first : query.first + PAGE]
            at_end = query.first + len(page) == len(self.logs[query.run])
            return EventsPage.of(query.run, query.first, page, at_end=at_end)
        return AggregatorHealth(
            agg_epoch=1,
            pid=1,
            uptime_s=1.0,
            subscribers=1,
            rejected=0,
            positions={"run": len(self.logs.get("run", ()))},
        )


@pytest.fixture
def aggregator(endpoints):
    """A running aggregator."""
    aggregator = Aggregator(endpoints)
    yield aggregator
    aggregator.stop()


@pytest.fixture
def live(endpoints):
    """Makes sources of the events of a run."""
    made = []

    def make(run=None, start=0, at=endpoints):
        made.append(LiveEvents(at, run, start))
        return made[-1]

    yield make
    for events in made:
        events.close()


def read(events, count):
    """The numbers of the next events, at least `count`."""
    numbers = []
    while len(numbers) < count:
        numbers += [record.seq for record in events.read(30.0)]
    return numbers


def test_recorded_events_are_followed_by_published_ones(aggregator, live, records):
    """The log is queried page by page up to its end, then no more."""
    aggregator.add("run", records(0, 10))
    events = live("run")

    assert read(events, 10) == list(range(10))
    asked = aggregator.asked
    for seq in range(10, 20):
        aggregator.add("run", records(seq, seq + 1))
        assert read(events, 1) == [seq]
    assert events.position == 20
    assert aggregator.asked <= asked + 2


@pytest.mark.slow
def test_events_that_were_not_published_are_queried(aggregator, live, records):
    """After a second of silence, or when a later event shows that some are missing."""
    aggregator.add("run", records(0, 1))
    events = live("run")
    assert read(events, 1) == [0]

    aggregator.publishes = False
    aggregator.add("run", records(1, 3))
    assert read(events, 2) == [1, 2]
    aggregator.add("run", records(3, 5))
    aggregator.publishes = True
    aggregator.add("run", records(5, 6))
    assert read(events, 3) == [3, 4, 5]


def test_without_a_name_the_newest_run_is_read(aggregator, live, records):
    """It stays the same when a newer one begins."""
    aggregator.add("old", records(0, 1))
    aggregator.add("new", records(5, 7))
    events = live()

    assert read(events, 2) == [5, 6]
    aggregator.add("newer", records(0, 1))
    aggregator.add("new", records(7, 8))
    assert read(events, 1) == [7]


def test_a_run_whose_name_begins_alike_is_another_run(aggregator, live, records):
    """Topics of ZeroMQ match by prefix."""
    aggregator.add("run", records(0, 1))
    events = live("run")
    assert read(events, 1) == [0]

    aggregator.add("run-2", records(0, 3))
    aggregator.add("run", records(1, 2))

    assert read(events, 1) == [1]
    assert events.position == 2


def test_a_run_that_does_not_exist_yet_is_waited_for(aggregator, live, records):
    """Whether it is named or not."""
    named, newest = live("run"), live()
    assert named.read(0.1) == []
    assert newest.read(0.1) == []

    aggregator.add("run", records(0, 2))

    assert read(named, 2) == [0, 1]
    assert read(newest, 2) == [0, 1]


def test_an_aggregator_that_is_not_there_is_waited_for(endpoints, live, records):
    """Its events are read once it is."""
    events = live("run")
    assert events.read(0.1) == []

    aggregator = Aggregator(endpoints)
    aggregator.add("run", records(0, 2))
    try:
        assert read(events, 2) == [0, 1]
    finally:
        aggregator.stop()


@pytest.mark.parametrize("run", ["run", "closed"])
def test_events_up_to_now_can_be_skipped(aggregator, live, records, run):
    """The aggregator tells the length of an open log; another one is read through."""
    aggregator.add(run, records(0, 10))
    events = live(run)
    assert read(events, 10)[-1] == 9

    later = live(run)
    later.skip_to_end()
    assert later.position == 10
    aggregator.add(run, records(10, 11))
    assert read(later, 1) == [10]


def test_nothing_can_be_skipped_without_an_aggregator(live, monkeypatch):
    """Otherwise a subscription to new events would begin with old ones."""
    monkeypatch.setattr("esper_bus.net.live_events._SKIP_S", 0.2)

    with pytest.raises(Unreachable, match="No aggregator answers"):
        live("run").skip_to_end()


def test_an_answer_of_another_kind_ends_it(aggregator, live, records):
    """It would be the same for ever."""
    aggregator.add("run", records(0, 1))
    aggregator.answer = Runs(("run",))

    with pytest.raises(Refused, match="install the same esper-lite"):
        read(live("run"), 1)


def test_an_address_without_a_key_is_refused(live):
    """Over tcp, to another machine. Nothing stays open: an open context would be a warning here."""
    with pytest.raises(InvalidArgument, match="key"):
        live("run", at=parse("tcp://10.0.0.1:5556", keyed=True))

    gc.collect()
