"""Checkpoint files: written atomically, and read without executing anything in them.

A file is written by `torch.save`: a zip archive with checksums around a pickle that is read with
`weights_only`, which creates only tensors, numbers, strings and containers of these.
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
    """The state of a run between two updates.

    update: number of updates made. config: the settings. rank, world_size: of the process that wrote it.
    baseline_return: mean return of always choosing WAIT. telemetry: the state of `AnomalyResponse`, as plain
    numbers, strings and containers; empty in checkpoints from before it existed. thresholds: the text of the
    bounds by which the run is judged.
    """

    update: int
    config: dict[str, SettingValue]
    rank: int
    world_size: int
    baseline_return: float
    state: LearnerState
    telemetry: dict[str, Any] = {}
    thresholds: str = ""


def write(path: Path, checkpoint: TrainingCheckpoint) -> None:
    """Write a checkpoint atomically: `path` never has a part of it. Raises OSError."""
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
    except Exception as error:  # torch raises errors of many types for damaged files
        raise Damaged(
            f"{path} is damaged and cannot be read; remove it to resume from the previous checkpoint."
        ) from error


def _content(data: bytes) -> dict[str, Any]:
    """The dictionary in a file. Raises an error of any type if the file is damaged."""
    with zipfile.ZipFile(BytesIO(data)) as archive:
        damaged = archive.testzip()  # torch does not verify the checksums
    if damaged is not None:
        raise zipfile.BadZipFile(damaged)
    content: dict[str, Any] = torch.load(BytesIO(data), map_location="cpu", weights_only=True)
    return content


class CheckpointFiles:
    """The checkpoint files of one rank of a run."""

    def __init__(self, run_dir: Path, rank: int = 0) -> None:
        self.directory = run_dir / "checkpoints"
        self._rank = rank

    def path(self, update: int) -> Path:
        """The path of the checkpoint after an update."""
        return self.directory / f"{update:08d}-rank{self._rank}.pt"

    def updates(self) -> list[int]:
        """The updates after which there are checkpoints, in order."""
        names = (_FILE_NAME.fullmatch(path.name) for path in self.directory.glob("*.pt"))
        return sorted(int(name[1]) for name in names if name and int(name[2]) == self._rank)

    def keep(self, count: int) -> None:
        """Remove all but the last `count` checkpoints. Raises OSError."""
        for update in self.updates()[:-count]:
            self.path(update).unlink(missing_ok=True)


def _sync_directory(directory: Path) -> None:
    """Make a rename durable. Raises OSError."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
