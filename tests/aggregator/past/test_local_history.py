"""Questions about a recorded run are answered from its files, in a thread."""

import time

import pytest
from tests.aggregator.past.recorded_runs import finished, killed, record, resumed, whole

from esper_aggregator.fold.projection import project
from esper_aggregator.past.local_history import LocalHistory
from esper_aggregator.replay import fold_path, snapshot_of
from esper_schemas.declarations import RunThresholds
from esper_schemas.history import (
    AtEvent,
    AtUpdate,
    Marks,
    MarksQuestion,
    PastSnapshot,
    SeriesQuestion,
    SnapshotQuestion,
    Unanswered,
)

WAIT_S = 30


@pytest.fixture
def history():
    """Makes a function that opens a history, which is closed at the end."""
    opened = []

    def make(path, **options):
        opened.append(LocalHistory(path, **options))
        return opened[-1]

    yield make
    for each in opened:
        each.close()
        each._thread.join(WAIT_S)


def answers(history, *questions):
    """The answers to some questions, in their order."""
    numbers = [history.ask(question) for question in questions]
    found, deadline = {}, time.monotonic() + WAIT_S
    while len(found) < len(numbers) and time.monotonic() < deadline:
        found |= dict(history.answers())
        time.sleep(0.001)
    return [found[number] for number in numbers]


def test_a_question_has_the_answer_of_its_number(tmp_path, history):
    """Several may be asked at once."""
    finished(tmp_path / "r")
    late, early, marks = answers(
        history(tmp_path / "r"),
        SnapshotQuestion(AtEvent(50)),
        SnapshotQuestion(AtUpdate(3)),
        MarksQuestion(),
    )

    assert late.snapshot == project(fold_path(tmp_path / "r", events=50))
    assert (early.place.update, early.snapshot.ranks[0].last_update) == (3, 3)
    assert isinstance(marks, Marks)


def test_a_file_has_a_past_too(tmp_path, history):
    """One file of a log is a run of its own."""
    killed(tmp_path / "r")
    (path,) = (tmp_path / "r" / "log").glob("*.mcap")
    (answer,) = answers(history(path), SnapshotQuestion(AtUpdate(20)))

    assert isinstance(answer, PastSnapshot)
    assert (answer.snapshot.run.run, answer.place.update) == ("r", 20)


def test_a_run_that_grows_has_more_to_ask_for(tmp_path, history):
    """Each answer is about the files as they are then."""
    events = list(resumed())
    record(tmp_path / "r", events[:60])
    asked = history(tmp_path / "r")
    (before,) = answers(asked, SnapshotQuestion(AtEvent(10**9)))
    record(tmp_path / "r", events[60:], epoch=2)
    (after,) = answers(asked, SnapshotQuestion(AtEvent(10**9)))

    assert (before.place.events, after.place.events) == (60, len(events))
    assert after.snapshot == project(fold_path(tmp_path / "r"))


def test_given_thresholds_judge_the_past(tmp_path, history):
    """They replace those of the run."""
    record(tmp_path / "r", whole())
    wider = RunThresholds("[kl_divergence]\nwarning_above = 0.9\ncritical_above = 1.0\n")
    (own,) = answers(history(tmp_path / "r"), SnapshotQuestion(AtUpdate(8)))
    (given,) = answers(history(tmp_path / "r", given=wider), SnapshotQuestion(AtUpdate(8)))

    assert "large_kl" in {symptom.name for symptom in own.snapshot.symptoms}
    assert "large_kl" not in {symptom.name for symptom in given.snapshot.symptoms}


def test_a_run_that_cannot_be_read_is_an_answer(tmp_path, history):
    """It may be read later: a question may be asked again."""
    asked = history(tmp_path / "r")
    (before,) = answers(asked, SnapshotQuestion(AtEvent(1)))
    finished(tmp_path / "r")
    (after,) = answers(asked, SnapshotQuestion(AtEvent(1)))

    assert isinstance(before, Unanswered)
    assert "Cannot read" in before.text
    assert isinstance(after, PastSnapshot)


def test_closing_ends_the_thread_in_the_middle_of_a_fold(tmp_path, history):
    """Nothing is answered any more."""
    record(tmp_path / "r", whole(400))
    asked = history(tmp_path / "r")
    asked.ask(MarksQuestion())
    asked.close()
    asked._thread.join(WAIT_S)

    assert not asked._thread.is_alive()


def test_a_series_is_answered_from_the_same_files(tmp_path, history):
    """It has every update; the bytes are those of little-endian floats."""
    finished(tmp_path / "r")

    (series,) = answers(history(tmp_path / "r"), SeriesQuestion(metrics=("policy_loss",)))

    (column,) = series.columns
    assert len(series.x) == len(column.last) == 8 * snapshot_of(tmp_path / "r").tamiyo.last_update
