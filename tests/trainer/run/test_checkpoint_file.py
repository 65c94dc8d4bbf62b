"""A checkpoint is written completely or not at all, and a damaged one is refused in one sentence."""

import pickle

import pytest
import torch

from esper_schemas.errors import Damaged, StorageError
from esper_trainer.learner.learner import LearnerState
from esper_trainer.run.checkpoint_file import CheckpointFiles, TrainingCheckpoint, read, write


def checkpoint_of(update=3):
    """A small checkpoint."""
    tensors = {"policy.weight": torch.arange(600.0), "optimiser.0.step": torch.tensor(4.0)}
    state = LearnerState(tensors, {"actions": torch.Generator().manual_seed(5).get_state()})
    return TrainingCheckpoint(update, {"seed": 5, "preset": "lite"}, 0, 1, 2.5, state)


@pytest.fixture
def path(tmp_path):
    """The path of a checkpoint."""
    path = tmp_path / "checkpoints" / "00000003-rank0.pt"
    write(path, checkpoint_of())
    return path


def test_what_is_read_is_what_was_written(path):
    """All tensors and plain values are equal, and no other file is left."""
    found, written = read(path), checkpoint_of()

    assert found._replace(state=None) == written._replace(state=None)
    for mine, yours in zip(found.state, written.state, strict=True):
        assert mine.keys() == yours.keys()
        assert all(torch.equal(mine[name], yours[name]) for name in mine)
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_torn_file_is_refused(path, share):
    """This holds for any length."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])

    with pytest.raises(Damaged, match=r"damaged.*; remove it"):
        read(path)


def test_a_flipped_bit_is_detected(path):
    """It is in the middle of a tensor, where only a checksum can detect it."""
    data = bytearray(path.read_bytes())
    place = data.index(torch.arange(600.0).numpy().tobytes()) + 1000
    data[place] ^= 1
    path.write_bytes(data)

    with pytest.raises(Damaged, match="damaged"):
        read(path)


def test_garbage_and_other_files_of_torch_are_refused(path):
    """Neither arbitrary bytes nor a list is a checkpoint."""
    path.write_bytes(b"no checkpoint at all" * 50)
    with pytest.raises(Damaged, match="damaged"):
        read(path)
    torch.save([1, 2, 3], path)
    with pytest.raises(Damaged, match="damaged"):
        read(path)


class _Trap:
    """Creates a file when it is unpickled."""

    def __init__(self, place):
        self.place = place

    def __reduce__(self):
        return (open, (self.place, "w"))


def test_nothing_in_a_checkpoint_is_run(path, tmp_path):
    """A pickle with a call is refused as damaged, and the call is not made."""
    torch.save(_Trap(str(tmp_path / "sprung")), path)

    with pytest.raises(Damaged):
        read(path)
    assert not (tmp_path / "sprung").exists()
    path.write_bytes(pickle.dumps(_Trap(str(tmp_path / "sprung"))))
    with pytest.raises(Damaged):
        read(path)
    assert not (tmp_path / "sprung").exists()


def test_a_missing_file_is_named(tmp_path):
    """The message has the system's reason."""
    with pytest.raises(StorageError, match=r"none\.pt \(No such file"):
        read(tmp_path / "none.pt")


def test_a_write_that_fails_leaves_the_old_file(path, monkeypatch):
    """If the disk is full, the old file does not change."""
    before = path.read_bytes()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        write(path, checkpoint_of(update=4))

    assert path.read_bytes() == before


def test_files_are_listed_by_rank_and_the_old_ones_are_removed(tmp_path):
    """Files with other names are kept."""
    files, other = CheckpointFiles(tmp_path), CheckpointFiles(tmp_path, rank=1)
    for update in (2, 10, 4):
        write(files.path(update), checkpoint_of(update))
    write(other.path(2), checkpoint_of(2))
    (files.directory / "notes.pt").touch()

    files.keep(2)

    assert (files.updates(), other.updates()) == ([4, 10], [2])
    assert (files.directory / "notes.pt").exists()
