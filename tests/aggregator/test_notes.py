"""Notes become events of the log of their run, each once."""

from contextlib import closing

import pytest

from esper_aggregator.notes import NoteService, write_note
from esper_aggregator.past.open_past import open_past
from esper_aggregator.recording import Recording
from esper_aggregator.replay import snapshot_of
from esper_bus.host.aggregator_lock import AggregatorLock
from esper_bus.names import NOTES_PRODUCER
from esper_bus.protocol.query_messages import NoteQuery, NoteWritten, Refusal
from esper_bus.store.run_reader import read_log
from esper_bus.store.verify import verify
from esper_lite import connect
from esper_schemas.errors import Refused
from esper_schemas.events import Annotated


@pytest.fixture
def recording(tmp_path, raw_record):
    """A run of five updates that is being recorded."""
    recording = Recording(tmp_path / "r", 1)
    recording.extend([raw_record(seq) for seq in range(5)])
    recording.flush()
    yield recording
    recording.close()


@pytest.fixture
def service(tmp_path, recording):
    """Takes notes about the run."""
    return NoteService(tmp_path, {"r": recording}.__getitem__)


def query(text="look here", at_ns=7, **fields):
    """A note as it is sent."""
    return NoteQuery(**{"run": "r", "text": text, "who": "ada", "emitted_ns": at_ns, **fields})


def take(service, recording, *queries):
    """Let a service write notes; returns its answers."""
    for number, each in enumerate(queries):
        service.submit(b"peer", number, each)
    records = service.records("")
    recording.extend(records)
    recording.flush()
    return [answer for _, _, answer in service.answers(written=True)], records


def test_a_note_is_an_event_of_the_log(service, recording, tmp_path):
    """About the update that it names, or else the present one; the log stays whole."""
    answers, records = take(service, recording, query(update=2), query(text="and now"))

    assert answers == [NoteWritten(2), NoteWritten(5)]
    assert [(r.stream.producer, r.seq, r.emitted_ns) for r in records] == [
        (NOTES_PRODUCER, 0, 7),
        ("notes", 1, 7),
    ]
    assert verify(tmp_path / "r").ok
    notes = [entry.note for entry in snapshot_of(tmp_path / "r").notes]
    assert notes == [
        Annotated(text="look here", who="ada", update=2),
        Annotated(text="and now", who="ada", update=5),
    ]


def test_a_note_that_arrives_again_is_written_once(service, recording):
    """Its answer was lost, before or after it was written; another one of the same text is another one."""
    answers, records = take(service, recording, query(), query())
    assert (answers, len(records)) == ([NoteWritten(5)] * 2, 1)

    assert take(service, recording, query()) == ([NoteWritten(5)], [])
    assert len(take(service, recording, query(at_ns=8))[1]) == 1


def test_a_note_is_answered_once_it_is_in_the_log(service, recording):
    """Not while the log cannot be written; the note itself is kept for later then."""
    service.submit(b"peer", 3, query())
    (record,) = service.records("")
    assert service.answers(written=False) == []
    service.submit(b"peer", 4, query(text="another"))
    (next_record,) = service.records("")

    assert (record.seq, next_record.seq) == (0, 1)
    assert [number for _, number, _ in service.answers(written=True)] == [3, 4]


@pytest.mark.parametrize(
    ("fields", "problem", "text"),
    [
        ({"run": "absent"}, "", "no run 'absent'"),
        ({"run": "../r"}, "", "no run '../r'"),
        ({"text": "a\x1bb"}, "", "U+001B"),
        ({"text": "x" * 501}, "", "at most 500"),
        ({}, "the disk is full", "the disk is full"),
    ],
)
def test_a_note_that_cannot_be_written_is_refused(service, fields, problem, text):
    """In one sentence, and nothing is written."""
    service.submit(b"peer", 1, query(**fields))

    assert service.records(problem) == []
    ((_, _, answer),) = service.answers(written=False)
    assert isinstance(answer, Refusal)
    assert text in answer.text


def test_too_many_notes_are_refused_for_now(service):
    """A flood of them does not use up the memory."""
    for number in range(100):
        service.submit(b"peer", number, query(at_ns=number))

    refusals = [answer for _, _, answer in service.answers(written=False)]
    assert len(refusals) == 36
    assert all(isinstance(answer, Refusal) and answer.temporary for answer in refusals)


def test_a_note_is_written_without_an_aggregator(tmp_path):
    """After what only the spools have; the run is whole, and its last update is that of the note."""
    with connect("r", runs_dir=tmp_path) as telemetry:
        for step in range(1, 4):
            telemetry.log({"approx_kl": 0.01}, step=step)
    run_dir = tmp_path / "r"

    assert write_note(run_dir, Annotated(text="first"), 10**18) == 3
    assert write_note(run_dir, Annotated(text="second", update=1), 10**18) == 1
    assert verify(run_dir).ok
    producers = [record.stream.producer for record in read_log(run_dir)]
    assert producers == ["trainer:0"] * (len(producers) - 2) + ["notes"] * 2
    assert snapshot_of(run_dir).run.outcome == "completed"


def test_an_aggregator_is_not_overtaken(tmp_path, recording):
    """It alone writes the logs of its directory."""
    with AggregatorLock(tmp_path), pytest.raises(Refused, match="already serves"):
        write_note(tmp_path / "r", Annotated(text="first"), 1)


def test_a_note_is_a_mark_at_its_update(tmp_path, raw_record):
    """And not where it was written."""
    with closing(Recording(tmp_path / "r", 1)) as recording:
        recording.extend([raw_record(seq) for seq in range(9)])
    write_note(tmp_path / "r", Annotated(text="look here", update=4), 10**18)
    past = open_past(tmp_path / "r")
    (mark,) = [mark for mark in past.marks().marks if mark.kind == "note"]

    assert (mark.title, mark.place.update, mark.place.events) == ("look here", 4, 4)
    assert past.marks().last.update == 9
