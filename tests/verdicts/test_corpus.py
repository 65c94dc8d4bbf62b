"""Every file of the corpus can be read, and belongs to the table."""

import pytest
from benchmarks.verdicts.record import CORPUS
from benchmarks.verdicts.recording_file import SUFFIX, read_recording
from benchmarks.verdicts.table import BASE_NAMED, FAULT_NAMED, recording_name

from esper_schemas.events import Event, RunStarted

FILES = sorted(CORPUS.glob(f"*{SUFFIX}"))
MAX_BYTES = 7 * 2**20


def test_there_is_a_corpus_of_a_limited_size():
    """It is part of every clone."""
    assert FILES
    assert sum(path.stat().st_size for path in FILES) <= MAX_BYTES


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_recording_is_complete(path):
    """It has the training that its name says, from its first update on, and its twin is there."""
    recording = read_recording(path)
    base = BASE_NAMED[f"{recording.trainer}-{recording.task}-{recording.seed}"]
    fault = FAULT_NAMED[recording.fault] if recording.fault else None

    assert path.stem == recording_name(base, fault)
    assert all(isinstance(event, Event) for event in recording.events)
    assert isinstance(recording.events[0], RunStarted) == (fault is None)
    assert recording.begins == (base.fault_begins if fault else 1)
    assert recording.twin == (base.name if fault else "")
    assert not recording.twin or (path.with_name(recording.twin + SUFFIX)).exists()
    assert len(recording.marks) == len(recording.true_returns) > 0
    assert recording.marks == sorted(recording.marks)
    assert recording.marks[-1] == len(recording.events)
