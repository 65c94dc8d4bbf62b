"""Tests of the trainer's end of the protocol, with a manual clock."""

import pytest

from esper_bus.protocol.frames import Ack, Bye, Data, Error, Hello, Ping, Resume
from esper_bus.protocol.producer_link import HELLO_RETRY_S, ProducerLink
from esper_bus.records import data_size

EPOCH = 0xE90C
CREDIT = (100, 10**6)


class Events:
    """All events of a stream, except those that are gone."""

    def __init__(self, *batches):
        self.batches = batches

    @property
    def next_seq(self):
        """The number of the next event."""
        return self.batches[-1].end

    def fetch(self, first, max_events, max_bytes):
        """Consecutive events from the first available one."""
        batch = next(batch for batch in self.batches if batch.end > first)
        return batch.part(first, max_events, max_bytes)


@pytest.fixture
def events(batch):
    """Ten events."""
    return Events(batch(0, 10))


@pytest.fixture
def link(key, events):
    """A link that has sent nothing yet, at time 0."""
    return ProducerLink(key, events, 0.0)


@pytest.fixture
def streaming(link):
    """A link whose HELLO was answered at time 0, for all events."""
    link.next_message(0.0)
    link.receive(Resume(1, EPOCH, 0, *CREDIT), 0.0)
    return link


def sent(link, now=0.0):
    """All messages that the link sends now."""
    messages = []
    while (message := link.next_message(now)) is not None:
        messages.append(message)
    return messages


def numbers(messages):
    """The numbers of the events in messages."""
    batches = [message.batch for message in messages if isinstance(message, Data)]
    return [seq for batch in batches for seq in range(batch.first, batch.end)]


def test_hello_is_repeated_ever_more_slowly(link):
    """HELLO goes out at once, then after 20, 50, 100, 200, 200... ms."""
    times = [now / 1000 for now in range(1000) if sent(link, now / 1000)]

    assert times == pytest.approx([0.0, 0.02, 0.07, 0.17, 0.37, 0.57, 0.77, 0.97], abs=0.0021)
    assert HELLO_RETRY_S == (0.02, 0.05, 0.1, 0.2)


def test_hello_contains_identity_and_range(link):
    """HELLO contains the identity of the stream and the range of events that can be sent."""
    hello = link.next_message(0.0, clock_ns=77)

    assert hello == Hello(run="run", producer="host:0", epoch=EPOCH, first=0, next=10, clock_ns=77)


def test_nothing_is_sent_before_an_answer(link):
    """Events wait for RESUME."""
    assert numbers(sent(link)) == []


def test_sending_begins_where_the_aggregator_asks(link):
    """RESUME contains the number of the first event to send."""
    link.next_message(0.0)
    link.receive(Resume(1, EPOCH, 4, *CREDIT), 0.0)

    assert numbers(sent(link)) == [4, 5, 6, 7, 8, 9]


def test_no_more_is_sent_than_the_credit_allows(link):
    """Events beyond the credit wait for an ACK."""
    link.next_message(0.0)
    link.receive(Resume(1, EPOCH, 0, 3, 10**6), 0.0)
    first = numbers(sent(link))
    link.receive(Ack(1, EPOCH, 2, 3, 10**6), 0.1)

    assert (first, numbers(sent(link, 0.1))) == ([0, 1, 2], [3, 4])


def test_no_more_bytes_are_sent_than_the_credit_allows(link, events):
    """Large events are held back by the credit in bytes."""
    size = len(events.batches[0].entries[0][1])
    link.next_message(0.0)
    link.receive(Resume(1, EPOCH, 0, 100, 2 * size), 0.0)
    first = numbers(sent(link))
    link.receive(Ack(1, EPOCH, 2, 100, 2 * size), 0.1)

    assert (first, numbers(sent(link, 0.1))[0]) == ([0, 1], 2)


def test_only_an_ack_makes_events_safe(streaming):
    """Events that were sent but not acknowledged are not safe."""
    sent(streaming)
    before = streaming.acked
    streaming.receive(Ack(1, EPOCH, 10, *CREDIT), 0.1)

    assert (before, streaming.acked, streaming.complete) == (0, 10, True)


def test_a_hole_is_filled(streaming):
    """After a RESUME in the middle, events are sent again from there."""
    sent(streaming)
    streaming.receive(Resume(1, EPOCH, 6, *CREDIT), 0.1)

    assert numbers(sent(streaming, 0.1)) == [6, 7, 8, 9]


def test_a_repeated_resume_is_answered_once(streaming):
    """Every message behind a hole causes a RESUME; the events are not sent for each of them."""
    sent(streaming)
    streaming.receive(Resume(1, EPOCH, 6, *CREDIT), 0.1)
    sent(streaming, 0.1)
    streaming.receive(Resume(1, EPOCH, 6, *CREDIT), 0.15)
    at_once = numbers(sent(streaming, 0.15))
    streaming.receive(Resume(1, EPOCH, 6, *CREDIT), 0.4)

    assert (at_once, numbers(sent(streaming, 0.4))) == ([], [6, 7, 8, 9])


def test_a_resume_that_was_overtaken_is_ignored(streaming):
    """A RESUME for events that are acknowledged by now is out of date."""
    sent(streaming)
    streaming.receive(Ack(1, EPOCH, 8, *CREDIT), 0.1)
    streaming.receive(Resume(1, EPOCH, 6, *CREDIT), 0.2)

    assert sent(streaming, 0.2) == []


def test_an_aggregator_that_lost_its_log_gets_everything_again(streaming):
    """Events that only the previous aggregator's log had are no longer safe."""
    sent(streaming)
    streaming.receive(Ack(1, EPOCH, 8, *CREDIT), 0.1)
    streaming.receive(Error("unknown", "Say HELLO first."), 0.2)
    sent(streaming, 0.2)
    streaming.receive(Resume(2, EPOCH, 3, *CREDIT), 0.3)

    assert (streaming.acked, streaming.complete) == (3, False)
    assert numbers(sent(streaming, 0.3)) == [3, 4, 5, 6, 7, 8, 9]


def test_what_is_acknowledged_is_not_sent_again(streaming):
    """An ACK that comes while a hole is being filled skips the acknowledged events."""
    sent(streaming)
    streaming.receive(Resume(1, EPOCH, 2, *CREDIT), 0.1)
    streaming.receive(Ack(1, EPOCH, 7, *CREDIT), 0.1)

    assert numbers(sent(streaming, 0.1)) == [7, 8, 9]


def test_a_resume_renews_the_credit(link, events):
    """Events that were lost on the way no longer count against the credit in bytes."""
    size = data_size(events.batches[0].entries)
    link.next_message(0.0)
    link.receive(Resume(1, EPOCH, 0, 100, size), 0.0)
    sent(link)
    link.receive(Resume(1, EPOCH, 5, 100, size), 0.5)

    assert numbers(sent(link, 0.5)) == [5, 6, 7, 8, 9]


def test_messages_of_other_streams_are_ignored(streaming):
    """An ACK of another epoch acknowledges nothing."""
    streaming.receive(Ack(1, EPOCH + 1, 10, *CREDIT), 0.1)

    assert streaming.acked == 0


def test_an_ack_of_another_aggregator_leads_to_hello(streaming):
    """A restarted aggregator acknowledges nothing before a new HELLO."""
    sent(streaming)
    streaming.receive(Ack(2, EPOCH, 10, *CREDIT), 0.1)

    assert streaming.acked == 0
    assert isinstance(streaming.next_message(0.1), Hello)


def test_an_impossible_ack_is_ignored(streaming):
    """Events that do not exist cannot be acknowledged."""
    streaming.receive(Ack(1, EPOCH, 11, *CREDIT), 0.1)

    assert streaming.acked == 0


def test_silence_leads_to_a_ping(streaming):
    """After a second without a message the link sends a PING, and no second one half a second later."""
    sent(streaming)

    assert sent(streaming, 0.9) == []
    assert sent(streaming, 1.0) == [Ping(EPOCH, 10)]
    assert sent(streaming, 1.5) == []


def test_longer_silence_leads_to_hello(streaming):
    """After two seconds without an answer the link starts over with HELLO."""
    sent(streaming)
    sent(streaming, 1.0)

    assert isinstance(streaming.next_message(2.01), Hello)


def test_a_new_socket_is_due_after_five_seconds(streaming):
    """A half-open connection is abandoned, and its successor after another five seconds."""
    assert not streaming.renewal_due(4.9)
    assert streaming.renewal_due(5.0)

    streaming.renewed(5.0)

    assert isinstance(streaming.next_message(5.0), Hello)
    assert not streaming.renewal_due(9.9)
    assert streaming.renewal_due(10.0)


def test_an_unknown_stream_sends_hello_again(streaming):
    """A restarted aggregator answers that it does not know the stream."""
    streaming.receive(Error("unknown", "Say HELLO first."), 0.1)

    assert isinstance(streaming.next_message(0.1), Hello)


def test_a_refused_link_reports_why_and_retries_seldom(link):
    """A version mismatch is reported to the user, and HELLO is repeated only after five seconds."""
    link.next_message(0.0)
    link.receive(Error("version", "Install the same."), 0.01)

    assert link.problem == "Install the same."
    assert sent(link, 4.9) == []
    assert isinstance(link.next_message(5.1), Hello)

    link.receive(Resume(1, EPOCH, 0, *CREDIT), 5.2)

    assert link.problem == ""


def test_an_epoch_that_was_used_before_is_not_continued(link):
    """If the aggregator has events that do not exist here, the link reports a problem."""
    link.next_message(0.0)
    link.receive(Resume(1, EPOCH, 50, *CREDIT), 0.0)

    assert "restart the trainer" in link.problem


def test_a_reused_epoch_stays_refused(link, events, batch):
    """It is refused even when the trainer has as many events as the aggregator."""
    link.next_message(0.0)
    link.receive(Resume(1, EPOCH, 11, *CREDIT), 0.0)
    events.batches = [batch(0, 20)]
    link.next_message(6.0)
    link.receive(Resume(1, EPOCH, 11, *CREDIT), 6.0)

    assert not link.streaming
    assert "restart the trainer" in link.problem
    assert sent(link) == []


def test_events_that_are_gone_are_skipped(link, events, batch):
    """When the aggregator asks for exactly those, a HELLO names the first event that can be sent."""
    events.batches = [batch(0, 3), batch(6, 10)]
    link.next_message(0.0)
    link.receive(Resume(1, EPOCH, 0, *CREDIT), 0.0)
    *data, hello = sent(link)
    link.receive(Resume(1, EPOCH, 3, *CREDIT), 0.1)
    (later,) = sent(link, 0.1)
    link.receive(Resume(1, EPOCH, 6, *CREDIT), 0.2)

    assert numbers(data) == [0, 1, 2]
    assert (hello.first, later.first) == (0, 6)
    assert numbers(sent(link, 0.2)) == [6, 7, 8, 9]


def test_bye_comes_last(streaming):
    """BYE is sent once everything is in the log, and only once."""
    sent(streaming)
    early = streaming.bye()
    streaming.receive(Ack(1, EPOCH, 10, *CREDIT), 0.1)

    assert early is None
    assert streaming.bye() == Bye(EPOCH, 10)
    assert streaming.bye() is None
    assert not streaming.bye_acknowledged

    streaming.receive(Ack(1, EPOCH, 10, *CREDIT), 0.2)

    assert streaming.bye_acknowledged


def test_the_link_reports_when_it_is_due(streaming):
    """A thread can sleep until `wake_at`."""
    sent(streaming)

    assert streaming.wake_at() == pytest.approx(1.0)

    sent(streaming, 1.0)

    assert streaming.wake_at() == pytest.approx(2.0)
