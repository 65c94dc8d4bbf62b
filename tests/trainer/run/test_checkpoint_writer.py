"""Checkpoints are written in the background, and a failing disk does not end a training."""

import threading

import pytest
import torch

from esper_schemas.events import CheckpointSaved, LogRecorded
from esper_trainer.learner.learner import LearnerState
from esper_trainer.run import checkpoint_writer
from esper_trainer.run.checkpoint_file import CheckpointFiles, TrainingCheckpoint, read
from esper_trainer.run.checkpoint_writer import KEPT, CheckpointWriter


def checkpoint_of(update, weight):
    """A checkpoint that refers to a tensor."""
    return TrainingCheckpoint(update, {"seed": 0}, 0, 1, 1.5, LearnerState({"policy.weight": weight}, {}))


@pytest.fixture
def files(tmp_path):
    """The checkpoint files of a run."""
    return CheckpointFiles(tmp_path)


@pytest.fixture
def gate(monkeypatch):
    """An event that every write waits for."""
    gate, write = threading.Event(), checkpoint_writer.write

    def gated(path, checkpoint):
        assert gate.wait(30)
        write(path, checkpoint)

    monkeypatch.setattr(checkpoint_writer, "write", gated)
    return gate


def test_the_values_are_those_of_the_call(files, gate):
    """Training may change the tensors while they are being written."""
    writer, weight = CheckpointWriter(files, every=10), torch.arange(4.0)
    writer.save(checkpoint_of(10, weight))
    weight.zero_()
    gate.set()
    writer.wait()

    (event,) = writer.events()
    assert read(files.path(10)).state.tensors["policy.weight"].tolist() == [0, 1, 2, 3]
    assert isinstance(event, CheckpointSaved)
    assert (event.update, event.path) == (10, "checkpoints/00000010-rank0.pt")
    assert writer.events() == []


def test_a_checkpoint_is_due_at_the_interval_unless_one_is_being_written(files, gate):
    """With an interval of 0 no checkpoint is due."""
    writer = CheckpointWriter(files, every=10)
    assert [update for update in range(1, 31) if writer.due(update)] == [10, 20, 30]
    assert not CheckpointWriter(files, every=0).due(10)

    writer.save(checkpoint_of(10, torch.zeros(1)))
    assert not writer.due(20)
    gate.set()
    writer.wait()
    assert writer.due(20)


def test_the_newest_checkpoints_are_kept(files):
    """The same update is written only once."""
    writer = CheckpointWriter(files, every=1)
    for update in (1, 2, 2, 3, 4, 5):
        writer.save(checkpoint_of(update, torch.zeros(1)))
        writer.wait()

    assert files.updates() == [5 - age for age in reversed(range(KEPT))]
    assert [event.update for event in writer.events()] == [1, 2, 3, 4, 5]


def test_a_checkpoint_that_cannot_be_written_is_a_warning(files):
    """It has the reason; the next checkpoint is written again."""
    files.directory.parent.joinpath("checkpoints").write_text("a file in its place")
    writer = CheckpointWriter(files, every=1)
    writer.save(checkpoint_of(1, torch.zeros(1)))
    writer.wait()
    (event,) = writer.events()

    assert isinstance(event, LogRecorded)
    assert event.level == "warning"
    assert event.message.startswith("A checkpoint could not be written (")
    files.directory.unlink()
    writer.save(checkpoint_of(2, torch.zeros(1)))
    writer.wait()
    assert files.updates() == [2]
