"""A faulty training branches off from a healthy one."""

import subprocess
import sys

import pytest
from benchmarks.verdicts.recording_file import read_recording
from benchmarks.verdicts.table import FAULT_NAMED

from esper_schemas.events import PPOUpdateCompleted, ScalarsLogged

pytest.importorskip("torch")
pytest.importorskip("gymnasium")

pytestmark = [pytest.mark.process, pytest.mark.slow]

FAULT = FAULT_NAMED["sign flipped"]
TRAINER = "from benchmarks.verdicts.trainers.single_file import train"
RECORD = """
import sys
from pathlib import Path
from benchmarks.verdicts import table
from benchmarks.verdicts.recorder import Session

table.FIRST_FAULTY_UPDATE = (3,)
base = table.Base(trainer="single_file", task="CartPole", seed=1)
updates, directory, fault = int(sys.argv[1]), Path(sys.argv[2]), table.FAULT_NAMED[sys.argv[3]]
Session(base, updates, [fault], directory).run(train)
"""

FAILING = """
from esper_schemas.events import PPOUpdateCompleted, RunStarted
from esper_schemas.payload import PPOUpdatePayload

def train(session):
    telemetry, update, faults = session.telemetry(RunStarted(task="")), 0, []
    session.inject = faults.append
    while True:
        update += 1
        session.begin_update(update)
        if faults and update == 5:
            raise ValueError("not finite")
        telemetry.emit(PPOUpdateCompleted(update=update, payload=PPOUpdatePayload()))
"""
"""A trainer that emits updates of its own, and fails in the third update of a fault."""


def recorded(updates, directory, trainer=TRAINER):
    """Record a training of some updates, whose fault begins at update 3."""
    command = [sys.executable, "-c", trainer + RECORD, str(updates), str(directory), FAULT.name]
    subprocess.run(command, check=True, timeout=200)
    return {path.stem: read_recording(path) for path in directory.iterdir()}


def checks(recording, name):
    """The values of one of the trainer's own checks."""
    events = [event for event in recording.events if isinstance(event, ScalarsLogged)]
    return [event.values[name] for event in events if name in event.values]


def test_a_fault_begins_in_the_middle_of_the_same_training(tmp_path):
    """The checks of the healthy updates are zero, and from its beginning on they show the fault."""
    runs = recorded(4, tmp_path)
    healthy, faulty = runs["single_file-CartPole-1"], runs["single_file-CartPole-1-sign_flipped"]

    assert list(healthy.updates) == [1, 2, 3, 4]
    assert list(faulty.updates) == list(range(3, 3 + FAULT.updates))
    assert max(checks(healthy, "gae_residual")) < 1e-5
    assert max(checks(healthy, "initial_ratio_max")) < 1e-5
    assert min(checks(faulty, "gae_residual")) > 1.0


def test_a_fault_can_be_recorded_without_its_twin(tmp_path):
    """The healthy training then has no file."""
    assert list(recorded(0, tmp_path)) == ["single_file-CartPole-1-sign_flipped"]


def test_a_training_that_fails_is_recorded_to_its_failure(tmp_path):
    """With the updates that the forked process emitted, and the reason; its twin has all of its own."""
    runs = recorded(6, tmp_path, FAILING)
    healthy, faulty = runs["single_file-CartPole-1"], runs["single_file-CartPole-1-sign_flipped"]

    assert [e.update for e in faulty.events if isinstance(e, PPOUpdateCompleted)] == [3, 4]
    assert faulty.ended == "ValueError: not finite"
    assert [e.update for e in healthy.events if isinstance(e, PPOUpdateCompleted)] == [1, 2, 3, 4, 5, 6]
