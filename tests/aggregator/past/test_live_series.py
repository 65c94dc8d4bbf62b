"""The series of a run that is being recorded are those of its log, from what its recording has."""

import time

import pytest
from tests.aggregator.past.recorded_runs import merged
from tests.aggregator.past.test_local_series import update

from esper_aggregator import fold_checkpoints
from esper_aggregator.past import local_series, rebuilt_series
from esper_aggregator.past.local_series import LocalSeries
from esper_aggregator.past.run_answers import RunAnswers
from esper_aggregator.past.steps import finish
from esper_aggregator.recording import Recording
from esper_aggregator.series import index_writer, recorded_series
from esper_aggregator.series.index_files import SEGMENTS
from esper_schemas.codec import encode_plain
from esper_schemas.events import ScalarsLogged
from esper_schemas.history import MarksQuestion, SeriesQuestion

QUESTION = SeriesQuestion(metrics=("entropy", "policy_loss"), points=10_000)


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch, checkpoint_every):
    """Chunks of 64 rows, segments of 200, and checkpoints each hundred events."""
    for module in (recorded_series, local_series, rebuilt_series):
        monkeypatch.setattr(module, "CHUNK_ROWS", 64)
    monkeypatch.setattr(index_writer, "SEGMENT_ROWS", 200)
    monkeypatch.setattr(recorded_series, "TAIL_S", 0.0)
    checkpoint_every(100)


@pytest.fixture
def extend(raw_of):
    """Makes a function that records updates, and a step of a log that is still open."""

    def add(recording, first, end):
        recording.extend([raw_of(update(n, entropy=n / 7), at_ns=n) for n in range(first, end)])
        recording.extend([raw_of(ScalarsLogged(values={"policy_loss": float(end)}, step=end), epoch=2)])
        recording.flush()

    return add


def of_log(run_dir):
    """The encoded answer of a reader of the files."""
    return encode_plain(finish(LocalSeries(run_dir).answer(QUESTION)))


def test_a_recording_answers_as_its_log_does(tmp_path, extend):
    """At any moment: of rows in memory, in the tail, in chunks and in segments, also after a restart."""
    run_dir = tmp_path / "r"
    for epoch, begin in enumerate((1, 301)):
        recording = Recording(run_dir, epoch + 1)
        for first in range(begin, begin + 300, 50):
            extend(recording, first, first + 50)

            assert encode_plain(recording.series(QUESTION)) == of_log(run_dir)
        recording.close()
    assert (run_dir / "log" / SEGMENTS).exists()


def test_a_missing_index_is_built_beside_the_log_while_it_grows(tmp_path, extend, monkeypatch):
    """The answers are those of the log then, and the next aggregator continues the index."""
    monkeypatch.setattr(fold_checkpoints, "MOST_EVENTS_AGAIN", 0)
    run_dir = tmp_path / "r"
    recording = Recording(run_dir, 1)
    extend(recording, 1, 400)
    recording.close()
    for path in (run_dir / "log").glob("*.series"):
        path.unlink()
    recording = Recording(run_dir, 2)

    assert recording.series(QUESTION) is None
    extend(recording, 400, 450)
    while recording.rebuild_series(time.monotonic() + 0.01):
        pass
    assert recording.rebuild_series(0.0) is False
    assert encode_plain(recording.series(QUESTION)) == of_log(run_dir)
    extend(recording, 450, 600)
    assert encode_plain(recording.series(QUESTION)) == of_log(run_dir)
    recording.close()
    folded = []
    monkeypatch.setattr(local_series, "fold", folded.append)
    assert of_log(run_dir)
    assert folded == []


def test_series_and_marks_of_a_server_are_of_the_same_events(tmp_path):
    """Those of the log; what only spools have is in neither."""
    merged(tmp_path / "r")
    answers = RunAnswers(tmp_path / "r", log_only=True)
    series = finish(answers.answer(SeriesQuestion(metrics=("policy_loss",))))

    assert memoryview(series.x).cast("d")[-1] == finish(answers.answer(MarksQuestion())).last.update
