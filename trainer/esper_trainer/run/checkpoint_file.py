"""The file from which a run goes on: written whole or not at all, read without running anything in it.

It is a file of `torch.save`: a zip archive, whose checksums show damage, around a pickle that is read
with `weights_only`, which makes nothing but tensors, numbers, strings and containers of these.
"""

import os
import re
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import torch

from esper_schemas.errors import Damaged, InvalidArgument, StorageError
from esper_schemas.settings import SettingValue
from esper_trainer.learner.learner import LearnerState

FORMAT = 1
_FILE_NAME = re.compile(r"(\d{8,})-rank(\d+)\.pt")


class TrainingCheckpoint(NamedTuple):
    """A run between two updates.

    update: how many were made. config: the settings. rank, world_size: of the process that wrote it.
    baseline_return: what always choosing WAIT returns. telemetry: what the judge of the updates remembers,
    plain numbers, strings and containers; empty in checkpoints from before there was one.
    """

    update: int
    config: dict[str, SettingValue]
    rank: int
    world_size: int
    baseline_return: float
    state: LearnerState
    telemetry: dict[str, Any] = {}


def write(path: Path, checkpoint: TrainingCheckpoint) -> None:
    """Write a checkpoint so that `path` is never a part of it. Raises OSError if it cannot be written."""
    content = {"format": FORMAT, **checkpoint._asdict(), "state": checkpoint.state._asdict()}
    buffer = BytesIO()
    torch.save(content, buffer)
    unfinished = path.with_suffix(".part")
    path.parent.mkdir(parents=True, exist_ok=True)
    with unfinished.open("wb") as file:
        file.write(buffer.getbuffer())
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
    _sync_directory(path.parent)


def read(path: Path) -> TrainingCheckpoint:
    """Read a checkpoint, onto the host.

    Raises `StorageError`, `Damaged`, or `InvalidArgument` for one of another version.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise StorageError(f"Cannot read {path} ({error.strerror}); make it readable.") from error
    try:
        content = _content(data)
        if content.pop("format") != FORMAT:
            raise InvalidArgument(f"{path} was written by another version of Esper; resume with that one.")
        return TrainingCheckpoint(**{**content, "state": LearnerState(**content["state"])})
    except InvalidArgument:
        raise
    except Exception as error:  # there is no end to what torch raises about bytes that it did not write
        raise Damaged(
            f"{path} is damaged and cannot be read; remove it to go on from the checkpoint before it."
        ) from error


def _content(data: bytes) -> dict[str, Any]:
    """The dictionary in a file. Raises whatever shows that it is damaged."""
    with zipfile.ZipFile(BytesIO(data)) as archive:
        damaged = archive.testzip()  # torch itself does not look at the checksums
    if damaged is not None:
        raise zipfile.BadZipFile(damaged)
    content: dict[str, Any] = torch.load(BytesIO(data), map_location="cpu", weights_only=True)
    return content


class CheckpointFiles:
    """The checkpoints of one rank of a run."""

    def __init__(self, run_dir: Path, rank: int = 0) -> None:
        self.directory = run_dir / "checkpoints"
        self._rank = rank

    def path(self, update: int) -> Path:
        """Where the checkpoint after so many updates is."""
        return self.directory / f"{update:08d}-rank{self._rank}.pt"

    def updates(self) -> list[int]:
        """After which updates there are checkpoints, in order."""
        names = (_FILE_NAME.fullmatch(path.name) for path in self.directory.glob("*.pt"))
        return sorted(int(name[1]) for name in names if name and int(name[2]) == self._rank)

    def keep(self, count: int) -> None:
        """Remove all but the last ones. Raises OSError."""
        for update in self.updates()[:-count]:
            self.path(update).unlink(missing_ok=True)


def _sync_directory(directory: Path) -> None:
    """Make a rename last. Raises OSError."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
