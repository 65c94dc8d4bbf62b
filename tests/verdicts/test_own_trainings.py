"""The trainer's own healthy trainings of 400 updates are called healthy, and nothing in them critical."""

import pytest
from benchmarks.verdicts.outcome import outcome_of
from benchmarks.verdicts.record import CORPUS
from benchmarks.verdicts.recording_file import SUFFIX, read_recording
from benchmarks.verdicts.replay import Replay, by_update
from benchmarks.verdicts.table import BASES, OWN_TASK, UPDATES

from esper_schemas.findings import VerdictWord
from esper_schemas.verdict import verdict_of


def _path(base):
    return CORPUS / (base.name + SUFFIX)


OWN = sorted((base for base in BASES if base.task == OWN_TASK and base.is_later), key=lambda base: base.seed)
TRAININGS = [_path(base) for base in OWN if _path(base).exists()][-5:]
"""The newest recorded ones."""


def test_there_are_five_seeds():
    """With the default settings of the trainer."""
    assert len(TRAININGS) == 5


@pytest.mark.slow
@pytest.mark.parametrize("path", TRAININGS, ids=lambda path: path.stem)
def test_a_healthy_training_of_the_own_trainer_is_called_healthy(path):
    """It learned; no finding is critical after any update, and the verdict after the last one is HEALTHY."""
    recording, replay, critical = read_recording(path), Replay(), set()
    for update, events in by_update(recording):
        findings = replay.fold(events)
        critical |= {(update, finding.rule) for finding in findings if finding.severity == "critical"}

    assert len(recording.marks) == UPDATES
    assert outcome_of(recording) == "learned"
    assert not critical
    assert verdict_of(replay.snapshot).word is VerdictWord.HEALTHY
