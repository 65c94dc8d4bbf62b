"""Tests of the aggregator's end of the protocol, with a manual clock."""

import pytest

from esper_bus.limits import CREDIT_BYTES, CREDIT_EVENTS
from esper_bus.protocol.frames import Ack, Bye, Data, Error, Hello, Ping, Resume, encode, parse
from esper_bus.protocol.receiver import Receiver
from esper_bus.records import StreamKey, data_size
from esper_schemas.errors import StorageError

EPOCH = 0xE90C
AGG = 5
CREDIT = (CREDIT_EVENTS, CREDIT_BYTES)


class Scene:
    """A receiver and the records that it returned."""

    def __init__(self, recovered=None):
        self.receiver = Receiver(AGG, lambda run: recovered or {})
        self.taken = []

    def receive(self, message, peer=b"p1", now=0.0):
        """Deliver a message; returns the answers."""
        frames = message if isinstance(message, list) else encode(message)
        self.taken += self.receiver.receive(peer, frames, now, 1000)
        return self.answers()

    def answers(self):
        """The messages that the receiver sends."""
        return [parse(frames) for _, frames in self.receiver.take_answers()]

    def flush(self):
        """Flush the log; returns the answers."""
        self.receiver.mark_flushed()
        return self.answers()


def hello(first=0, following=0, **changes):
    """A HELLO of the stream."""
    fields = {"run": "run", "producer": "host:0", "epoch": EPOCH, "first": first, "next": following}
    return Hello(**{**fields, **changes})


@pytest.fixture
def scene():
    """A receiver that has received one HELLO."""
    scene = Scene()
    scene.receive(hello())
    return scene


def test_hello_is_answered_with_the_position():
    """RESUME asks for the first event that is not in the log; ACK acknowledges those before it."""
    scene = Scene({StreamKey("run", "host:0", EPOCH): 7})

    assert scene.receive(hello(0, 9)) == [Resume(AGG, EPOCH, 7, *CREDIT), Ack(AGG, EPOCH, 7, *CREDIT)]


def test_new_events_are_returned_in_order(scene, batch):
    """A batch becomes records with the identity of the stream and the time of arrival."""
    scene.receive(Data(EPOCH, batch(0, 3)))

    assert [(*r.stream, r.seq) for r in scene.taken] == [("run", "host:0", EPOCH, seq) for seq in range(3)]
    assert [r.data for r in scene.taken] == [data for _, data in batch(0, 3).entries]
    assert {r.received_ns for r in scene.taken} == {1000}


def test_only_flushed_events_are_acknowledged(scene, batch):
    """No ACK before the log is flushed, and then one for all."""
    before = scene.receive(Data(EPOCH, batch(0, 3))) + scene.receive(Data(EPOCH, batch(3, 5)))

    assert before == []
    assert scene.flush() == [Ack(AGG, EPOCH, 5, *CREDIT)]
    assert scene.flush() == []


def test_a_hello_does_not_acknowledge_what_is_not_flushed(scene, batch):
    """RESUME follows what was received, ACK only what was flushed; waiting events use up credit."""
    sent = batch(0, 3)
    scene.receive(Data(EPOCH, sent))
    left = (CREDIT_EVENTS - 3, CREDIT_BYTES - data_size(sent.entries))

    assert scene.receive(hello(0, 3), peer=b"p2") == [
        Resume(AGG, EPOCH, 3, *left),
        Ack(AGG, EPOCH, 0, *CREDIT),
    ]


def test_no_reconnect_renews_the_credit(scene, batch):
    """While the log cannot be written, a trainer that says HELLO again may not send more."""
    scene.receive(Data(EPOCH, batch(0, CREDIT_EVENTS)))
    resume, _ = scene.receive(hello(0, 2 * CREDIT_EVENTS), peer=b"p2")

    assert (resume.expect, resume.credit_events) == (CREDIT_EVENTS, 0)


def test_more_than_the_credit_is_not_taken(scene, batch):
    """Events of a trainer that exceeds its credit are rejected until the log is flushed."""
    scene.receive(Data(EPOCH, batch(0, CREDIT_EVENTS)))
    beyond = Data(EPOCH, batch(CREDIT_EVENTS, CREDIT_EVENTS + 1))
    scene.receive(beyond)
    refused = len(scene.taken)
    scene.flush()
    scene.receive(beyond)

    assert refused == CREDIT_EVENTS
    assert scene.receiver.counters("run").rejected == 1
    assert len(scene.taken) == CREDIT_EVENTS + 1


def test_an_adopted_spool_continues_its_stream(scene, batch, records):
    """Events that arrived before it died are not returned again."""
    stream = StreamKey("run", "host:0", EPOCH)
    scene.receive(Data(EPOCH, batch(0, 3)))
    adopted = scene.receiver.adopt(records(0, 5, stream))
    again = scene.receiver.adopt(records(0, 5, stream))

    assert [record.seq for record in adopted] == [3, 4]
    assert again == []


def test_an_adopted_stream_belongs_to_the_first_key_that_names_it(scene, records):
    """A spool has no key; the first key that continues its stream owns it, and others are refused."""
    scene.receiver.adopt(records(0, 3, StreamKey("run", "host:0", EPOCH + 1)))
    for peer, client in ((b"p2", "mine"), (b"p3", "theirs")):
        scene.receiver.receive(peer, encode(hello(0, 5, epoch=EPOCH + 1)), 0.0, 1000, client)

    assert [type(answer) for answer in scene.answers()] == [Resume, Ack, Error]


def test_a_hole_in_a_spool_is_counted(scene, records):
    """Events that a dead trainer could neither write nor send are counted as lost."""
    adopted = scene.receiver.adopt(records(4, 6, StreamKey("run", "host:9", 3)))

    assert [record.seq for record in adopted] == [4, 5]
    assert scene.receiver.counters("run").gaps == 4
    assert scene.flush() == []


def test_duplicates_are_dropped_and_counted(scene, batch):
    """An event that came twice is returned once."""
    scene.receive(Data(EPOCH, batch(0, 4)))
    scene.receive(Data(EPOCH, batch(2, 6)))

    assert [record.seq for record in scene.taken] == [0, 1, 2, 3, 4, 5]
    assert scene.receiver.counters("run").duplicates == 2


def test_a_hole_is_asked_for_once(scene, batch):
    """Events behind a hole are not taken; RESUME is repeated only after a while."""
    first = scene.receive(Data(EPOCH, batch(2, 4)), now=1.0)
    again = scene.receive(Data(EPOCH, batch(4, 6)), now=1.1)
    later = scene.receive(Data(EPOCH, batch(6, 8)), now=1.3)

    assert scene.taken == []
    assert (first, again, later) == ([Resume(AGG, EPOCH, 0, *CREDIT)], [], [Resume(AGG, EPOCH, 0, *CREDIT)])


def test_a_lost_end_is_noticed_by_a_ping(scene, batch):
    """A PING with a higher number than the events is answered with RESUME."""
    scene.receive(Data(EPOCH, batch(0, 2)))
    scene.flush()

    assert scene.receive(Ping(EPOCH, 4), now=1.0) == [Resume(AGG, EPOCH, 2, *CREDIT)]


def test_a_ping_is_answered_with_what_is_safe(scene, batch):
    """The answer replaces an ACK that was lost."""
    scene.receive(Data(EPOCH, batch(0, 2)))
    scene.flush()

    assert scene.receive(Ping(EPOCH, 2)) == [Ack(AGG, EPOCH, 2, *CREDIT)]


def test_bye_is_acknowledged_after_the_flush(scene, batch):
    """A trainer that has sent BYE gets its ACK when all events are flushed."""
    scene.receive(Data(EPOCH, batch(0, 2)))

    assert scene.receive(Bye(EPOCH, 2)) == []
    assert scene.flush() == [Ack(AGG, EPOCH, 2, *CREDIT)]


def test_lost_events_are_skipped_and_counted(scene, batch):
    """A trainer that can only send later events leaves a gap, which is counted."""
    answers = scene.receive(hello(first=4, following=6))
    scene.receive(Data(EPOCH, batch(4, 6)))

    assert answers[0].expect == 4
    assert [record.seq for record in scene.taken] == [4, 5]
    assert scene.receiver.counters("run").gaps == 4


def test_a_gap_does_not_make_safe_what_came_before(scene, batch):
    """Events before a gap are acknowledged after their flush, as usual."""
    scene.receive(Data(EPOCH, batch(0, 2)))
    answers = scene.receive(hello(first=5, following=6))

    assert answers[1] == Ack(AGG, EPOCH, 0, *CREDIT)
    assert scene.flush() == [Ack(AGG, EPOCH, 5, *CREDIT)]


def test_an_unknown_connection_is_asked_for_hello(scene, batch):
    """Events of a connection without a HELLO are not taken."""
    answers = scene.receive(Data(EPOCH, batch(0, 2)), peer=b"stranger")

    assert scene.taken == []
    assert [answer.code for answer in answers] == ["unknown"]


def test_a_stream_belongs_to_the_connection_of_the_last_hello(scene, batch):
    """After a reconnect the old connection is unknown, and answers go to the new one."""
    scene.receive(hello(), peer=b"p2")
    old = scene.receive(Data(EPOCH, batch(0, 1)), peer=b"p1")
    scene.receive(Data(EPOCH, batch(0, 1)), peer=b"p2")
    scene.receiver.mark_flushed()

    assert [answer.code for answer in old] == ["unknown"]
    assert [peer for peer, _ in scene.receiver.take_answers()] == [b"p2"]


def test_epochs_are_streams_of_their_own(scene, batch):
    """A restarted trainer begins at 0 with a new epoch."""
    scene.receive(Data(EPOCH, batch(0, 3)))
    scene.receive(hello(epoch=EPOCH + 1), peer=b"p2")
    scene.receive(Data(EPOCH + 1, batch(0, 2)), peer=b"p2")

    assert [(record.stream.epoch - EPOCH, record.seq) for record in scene.taken] == [
        (0, 0),
        (0, 1),
        (0, 2),
        (1, 0),
        (1, 1),
    ]


def test_another_version_is_answered_with_what_to_do(scene):
    """The answer is a message for the user."""
    (answer,) = scene.receive([b"H\x02", b"whatever"])

    assert answer.code == "version"
    assert "install the same esper-lite on both" in answer.text


@pytest.mark.parametrize("frames", [[], [b""], [b"D"], [b"H\x01", b"\xc1"], [b"D\x01", b"", b""], [b"Z\x01"]])
def test_malformed_messages_are_counted(scene, frames):
    """Malformed messages raise nothing, and no records are returned."""
    scene.receive(frames)
    scene.receive(frames, peer=b"stranger")

    assert scene.taken == []
    assert scene.receiver.rejected == 2
    assert scene.receiver.counters("run").rejected == 1


def test_messages_of_an_aggregator_are_rejected(scene):
    """ACK and ERROR from a trainer are rejected."""
    scene.receive(Ack(AGG, EPOCH, 0, *CREDIT))
    scene.receive(Error("version", "?"))

    assert scene.receiver.rejected == 2


def test_a_run_that_cannot_be_recorded_is_refused():
    """If the log of a run cannot be read, its trainers get an error, and others are served."""

    def recover(run):
        if run == "broken":
            raise StorageError("Cannot read the log; make it readable.")
        return {}

    receiver = Receiver(AGG, recover)
    receiver.receive(b"p1", encode(hello(run="broken")), 0.0, 0)
    receiver.receive(b"p2", encode(hello()), 0.0, 0)
    first, second, _ = [parse(frames) for _, frames in receiver.take_answers()]

    assert first == Error("refused", "Cannot read the log; make it readable.")
    assert isinstance(second, Resume)


def test_the_last_message_of_a_run_is_remembered(scene):
    """The receiver has the time of the last message of each run."""
    assert scene.receiver.last_message_ns("run") == 1000
    assert scene.receiver.last_message_ns("other") is None
