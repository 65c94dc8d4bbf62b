"""Finds the log files below a directory, and says what each of them is."""

import os
from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from esper_lite.importing.growing_file import open_regular, state_of
from esper_lite.importing.wandb_files import is_wandb_file
from esper_schemas.errors import InvalidArgument, StorageError

MAX_DEPTH = 8
MAX_ENTRIES = 100_000
"""Directory entries that are looked at; a log directory with more is not one."""
_HEAD_BYTES = 64
_JSON_SUFFIXES = (".jsonl", ".ndjson", ".json")


class Format(StrEnum):
    """The format of a log file."""

    EVENTS = "TensorBoard event file"
    CSV = "CSV file"
    JSON_LINES = "JSON lines file"
    WANDB = "W&B file"


class LogFile(NamedTuple):
    """A log file, and its format."""

    path: Path
    format: Format

    @property
    def is_monitor(self) -> bool:
        """Whether it has the episodes of one environment."""
        return self.path.name.endswith("monitor.csv")

    @property
    def is_progress(self) -> bool:
        """Whether SB3 wrote it beside an event file of the same numbers."""
        return self.path.name == "progress.csv"


def format_of(path: Path) -> Format:
    """The format of a file that the user named. Raises `StorageError` or `InvalidArgument`."""
    try:
        with open_regular(path) as file:
            head = file.read(_HEAD_BYTES)
    except OSError as error:
        raise StorageError(
            f"Cannot read {path} ({error.strerror}); choose a log file or directory."
        ) from error
    if "tfevents" in path.name:
        return Format.EVENTS
    if is_wandb_file(head):
        return Format.WANDB
    if path.suffix == ".wandb":
        raise InvalidArgument(f"{path} does not begin as a file of W&B does; choose another file.")
    if path.suffix in _JSON_SUFFIXES or head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        return Format.JSON_LINES
    return Format.CSV


def find_logs(root: Path, *, tables: bool = False) -> dict[Path, list[LogFile]]:
    """The log files below a directory, by the directory in which they are.

    Links to directories are not followed, and only regular files count. tables: CSV and JSON lines files of
    any name count, too. Raises `StorageError` if the
    directory cannot be read.
    """
    found: dict[Path, list[LogFile]] = {}
    try:
        os.scandir(root).close()
    except OSError as error:
        raise StorageError(
            f"Cannot list {root} ({error.strerror}); make it readable, or choose another directory."
        ) from error
    for directory, names in _walk(root):
        logs = [log for name in sorted(names) if (log := _recognised(directory / name, tables=tables))]
        if logs:
            found[directory] = logs
    return found


def _walk(root: Path) -> Iterator[tuple[Path, list[str]]]:
    """Yield directories and the names of their files, down to a depth."""
    entries = 0
    for directory, folders, names in os.walk(root):
        entries += len(folders) + len(names)
        is_wandb = any(name.endswith(".wandb") for name in names)
        depth = len(Path(directory).relative_to(root).parts)
        if is_wandb or depth >= MAX_DEPTH or entries > MAX_ENTRIES:
            folders.clear()  # below a W&B run are copies of its other files
        folders.sort()
        yield Path(directory), names


def _recognised(path: Path, *, tables: bool) -> LogFile | None:
    name = path.name
    if "tfevents" in name:
        kind = Format.EVENTS
    elif name == "progress.csv" or name.endswith("monitor.csv") or (tables and path.suffix == ".csv"):
        kind = Format.CSV
    elif tables and path.suffix in _JSON_SUFFIXES[:2]:
        kind = Format.JSON_LINES
    elif name.endswith(".wandb"):
        kind = Format.WANDB
    else:
        return None
    return LogFile(path, kind) if state_of(path) is not None else None


def without_progress(logs: Iterable[LogFile]) -> list[LogFile]:
    """Leave out SB3's `progress.csv`: an event file beside it has the same numbers."""
    return [log for log in logs if not log.is_progress]
