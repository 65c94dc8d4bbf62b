"""Queries and answers survive the way; anything else raises `FrameError` and nothing else."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from esper_bus.protocol.compression import compress
from esper_bus.protocol.frames import FrameError, VersionError
from esper_bus.protocol.query_messages import (
    AggregatorHealth,
    EventsPage,
    EventsQuery,
    HealthQuery,
    HistoryAnswer,
    HistoryQuery,
    NoteQuery,
    NoteWritten,
    PastSnapshot,
    Question,
    Refusal,
    Reply,
    Runs,
    RunsQuery,
    SnapshotQuery,
    encode_question,
    encode_reply,
    number_of_question,
    parse_question,
    parse_reply,
)
from esper_schemas import history
from esper_schemas.snapshot import SanctumSnapshot

QUERIES = [RunsQuery(), EventsQuery("run", 3, 7), SnapshotQuery("run", 2**40), HealthQuery()]
QUERIES += [
    HistoryQuery("run", history.SnapshotQuestion(moment))
    for moment in (history.AtEvent(7), history.AtUpdate(8), history.AtTime(-9))
]
QUERIES += [
    HistoryQuery("run", history.MarksQuestion()),
    HistoryQuery("run", history.SeriesQuestion(metrics=("entropy", "mine"), first=1.5, points=3, x="time")),
]
QUERIES += [NoteQuery("run", "look here", "ada", 10**18, 40), NoteQuery("run", "…", "", 0)]
ANSWERS = [
    Runs(("b", "a")),
    PastSnapshot("run", 9, b"snapshot"),
    AggregatorHealth(
        agg_epoch=1, pid=2, uptime_s=3.5, subscribers=4, rejected=5, positions={"run": 6}, problem="p"
    ),
    Refusal("There is no run x.", temporary=True),
    NoteWritten(40),
    NoteWritten(),
]


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: type(query).__name__)
def test_a_question_survives_the_way(query):
    """With the number that its answer will carry."""
    assert parse_question(encode_question(Question(7, query))) == Question(7, query)


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: type(answer).__name__)
def test_a_reply_survives_the_way(answer):
    """With the number of its question."""
    assert parse_reply(encode_reply(Reply(7, answer))) == Reply(7, answer)


@pytest.mark.parametrize(
    "answer",
    [
        history.PastSnapshot(
            history.Place(3, 1, 9), SanctumSnapshot(events_folded=3, histories={"a": (None, float("inf"))})
        ),
        history.Marks(
            history.Place(0),
            history.Place(9, 2, 3),
            (history.Mark(place=history.Place(4, 1, 2), kind="anomaly", title="t", severity="warning"),),
        ),
        history.Series(x=b"12345678", axis="update"),
        history.Unanswered("No.", temporary=True),
    ],
    ids=lambda answer: type(answer).__name__,
)
def test_an_answer_about_the_past_survives_the_way(answer):
    """Compressed, with all that a snapshot has."""
    message = parse_reply(encode_reply(Reply(7, HistoryAnswer.of(answer)))).answer

    assert message.answer() == answer


def test_an_answer_that_is_too_large_is_a_sentence():
    """A larger message would close the connection."""
    answer = HistoryAnswer.of(history.Series(x=bytes(17 * 1024 * 1024), axis="update")).answer()

    assert isinstance(answer, history.Unanswered)
    assert "fewer metrics or points" in answer.text


@pytest.mark.parametrize("body", [b"", b"\x28\xb5\x2f\xfd", compress(b"\x81"), compress(b"\xc0")])
def test_a_damaged_answer_about_the_past_raises_where_it_is_decoded(body):
    """Neither its compression nor its content is trusted."""
    with pytest.raises(FrameError):
        HistoryAnswer(body).answer()


def test_the_number_of_a_question_of_another_kind_can_be_read():
    """So that its asker can be refused."""
    body = msgspec.msgpack.encode({"number": 7, "query": {"type": "FutureQuery"}})

    assert number_of_question([b"Q\x01", body]) == 7
    with pytest.raises(FrameError):
        parse_question([b"Q\x01", body])


def test_a_page_of_events_survives_the_way(records):
    """Its records belong to the run of the page."""
    page = EventsPage.of("run", 40, records(0, 3), at_end=True)
    answer = parse_reply(encode_reply(Reply(1, page))).answer

    assert (answer.run, answer.first, answer.at_end) == ("run", 40, True)
    assert answer.records() == records(0, 3)


def test_a_page_of_something_else_raises_where_it_is_decoded():
    """The message around it is intact."""
    page = EventsPage("run", 0, msgspec.Raw(msgspec.msgpack.encode(["not a record"])), at_end=True)

    with pytest.raises(FrameError):
        parse_reply(encode_reply(Reply(1, page))).answer.records()


def test_the_names_on_the_wire_are_those_of_0_1_0():
    """Both ends may have different versions."""
    _, body = encode_reply(Reply(1, ANSWERS[2]))

    assert msgspec.msgpack.decode(body)["answer"] == {
        "type": "Health",
        "agg_epoch": 1,
        "pid": 2,
        "uptime_s": 3.5,
        "subscribers": 4,
        "rejected": 5,
        "positions": {"run": 6},
        "trouble": "p",
        "history": False,
        "notes": False,
    }


@pytest.mark.parametrize(("kind", "parse"), [(b"Q", parse_question), (b"W", parse_reply)])
def test_another_version_is_recognised(kind, parse):
    """So that the user learns to install the same version on both sides."""
    with pytest.raises(VersionError, match="version 9"):
        parse([kind + b"\x09", b""])


def test_a_question_is_not_a_reply():
    """And the other way round."""
    with pytest.raises(FrameError):
        parse_reply(encode_question(Question(1, RunsQuery())))
    with pytest.raises(FrameError):
        parse_question(encode_reply(Reply(1, Runs(()))))


@pytest.mark.parametrize("number", [-1, 2**62 + 1])
def test_impossible_numbers_are_refused(number):
    """Positions are counts of events."""
    body = msgspec.msgpack.encode(
        {"number": 1, "query": {"type": "EventsQuery", "run": "r", "first": number}}
    )

    with pytest.raises(FrameError):
        parse_question([b"Q\x01", body])


@given(st.lists(st.binary(max_size=40), max_size=3))
def test_arbitrary_frames_are_refused_in_one_way(frames):
    """Also behind a correct kind."""
    for received in (frames, [b"Q\x01", *frames], [b"W\x01", *frames]):
        for parse in (parse_question, parse_reply):
            with pytest.raises(FrameError):
                parse(received)
