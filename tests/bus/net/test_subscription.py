"""A subscription decodes, filters and counts what its source gives, and ends when it should."""

import pytest

from esper_bus.net.subscription import Subscription, subscribe
from esper_bus.records import RawRecord
from esper_schemas.codec import encode_event
from esper_schemas.errors import InvalidArgument, Unreachable
from esper_schemas.events import PPOUpdateCompleted
from esper_schemas.payload import PPOUpdatePayload


class Source:
    """Gives the prepared portions of records, an empty one at the end; raises those that are errors."""

    def __init__(self, *portions):
        self.position = 0
        self.closed = 0
        self.waits = []
        self._portions = list(portions)

    def read(self, timeout_s):
        """The next portion."""
        self.waits.append(timeout_s)
        portion = self._portions.pop(0) if self._portions else []
        if isinstance(portion, Exception):
            raise portion
        self.position += len(portion)
        return portion

    def close(self):
        """Count the calls."""
        self.closed += 1


@pytest.fixture
def update(key):
    """An update among the episodes of `records`."""
    return RawRecord(key, 99, 1, 2, encode_event(PPOUpdateCompleted(update=7, payload=PPOUpdatePayload())))


def seqs(subscription):
    """The numbers of all records, up to the end of the subscription."""
    return [record.seq for record in subscription]


def test_all_events_are_returned_in_their_order(records):
    """Until there was none for the time of the timeout; then the source is closed, once."""
    source = Source(records(0, 3), records(3, 5))
    subscription = Subscription(source, None, timeout=0.0)

    assert seqs(subscription) == [0, 1, 2, 3, 4]
    assert subscription.position == 5
    subscription.close()
    assert source.closed == 1


def test_only_the_chosen_kinds_are_returned(records, update):
    """`position` counts the others, too: it is a place in the log."""
    source = Source([*records(0, 2), update, *records(2, 4)])
    subscription = Subscription(source, frozenset({"PPOUpdateCompleted"}), timeout=0.0)

    assert next(subscription).event.update == 7
    assert subscription.position == 3
    assert seqs(subscription) == []
    assert subscription.position == 5


def test_the_position_is_that_of_the_next_record(records):
    """Not that of the source, which reads ahead."""
    source = Source(records(0, 3))
    subscription = Subscription(source, None, timeout=0.0)

    assert subscription.position == 0
    for count in (1, 2, 3):
        next(subscription)
        assert (subscription.position, source.position) == (count, 3)


def test_a_closed_subscription_returns_nothing_more(records):
    """Also of what was read ahead."""
    source = Source(records(0, 3))
    with Subscription(source, None, timeout=None) as subscription:
        next(subscription)

    assert seqs(subscription) == []
    assert source.closed == 1


def test_an_error_ends_a_subscription(records):
    """What came before it was returned; the source is closed."""
    source = Source(records(0, 1), Unreachable("gone"))
    subscription = Subscription(source, None, timeout=None)

    assert next(subscription).seq == 0
    with pytest.raises(Unreachable, match="gone"):
        next(subscription)
    assert source.closed == 1
    assert seqs(subscription) == []


def test_without_a_timeout_silence_is_waited_out(records):
    """The source is asked again and again."""
    source = Source([], [], records(0, 1))

    assert next(Subscription(source, None, timeout=None)).seq == 0
    assert len(source.waits) == 3
    assert min(source.waits) > 0


def test_the_source_waits_no_longer_than_the_timeout():
    """It may not return at once where there is nothing."""
    source = Source()

    assert seqs(Subscription(source, None, timeout=0.25)) == []
    assert 0 < max(source.waits) <= 0.25


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"kinds": "PPOUpdateComplete"}, "such as PPOUpdateCompleted"),
        ({"kinds": [PPOUpdateCompleted, 7]}, "'7' is not a kind of event"),
        ({"start": -1}, "start=-1 is not a number of events"),
        ({"start": True}, "start=True is not a number of events"),
        ({"run": "../x"}, "run"),
        ({"source": "http://host"}, "http://host"),
        ({"source": "tcp://10.0.0.1:5556"}, "key"),
    ],
)
def test_a_wrong_argument_is_refused_at_once(options, problem):
    """Before anything is connected."""
    with pytest.raises(InvalidArgument, match=problem):
        subscribe(**options)
