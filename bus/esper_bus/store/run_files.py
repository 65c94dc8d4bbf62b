"""The files of a run and their order."""

from pathlib import Path
from typing import NamedTuple

import msgspec
from mcap.writer import MCAP0_MAGIC

from esper_bus.mcap.event_channels import EventChannels, FileMeta
from esper_bus.mcap.reader import read_chunks
from esper_bus.paths import RunPaths, spool_file_order
from esper_schemas.codec import DECODE_ERRORS
from esper_schemas.errors import InvalidArgument, StorageError


class RunFiles(NamedTuple):
    """Files that are read together; `whole` if every stream must begin with its first event."""

    logs: list[Path]
    spools: list[Path]
    whole: bool

    @property
    def run(self) -> str | None:
        """The name of the run that the files belong to, None if none of them says so."""
        metas = (file_meta(path) for path in (*self.logs, *self.spools))
        return next((meta.run for meta in metas if meta is not None), None)

    @property
    def fold_versions(self) -> set[int]:
        """The versions of the fold that the files of a log note, 0 where one notes none."""
        metas = [file_meta(log) for log in self.logs]
        return {meta.fold_version for meta in metas if meta is not None and meta.kind == "log"}


def files_at(path: Path) -> RunFiles:
    """The files of a run directory, or one .mcap file. Raises `InvalidArgument` if there are none."""
    if path.is_dir():
        return _files_of_run(path)
    _check_file(path)
    return RunFiles([path], [], whole=False)


def mcap_files(directory: Path) -> list[Path]:
    """The .mcap files of a directory, none if it does not exist. Raises `OSError` if it cannot be listed.

    `Path.glob` would return nothing for a directory that may not be read.
    """
    try:
        return [path for path in directory.iterdir() if path.suffix == ".mcap"]
    except FileNotFoundError:
        return []


def log_files(run_dir: Path) -> RunFiles:
    """The files of the aggregator's log of a run, possibly none. Raises `OSError` as `mcap_files` does."""
    metas = {file: file_meta(file) for file in mcap_files(RunPaths(run_dir).log_dir)}
    ordered = sorted(metas, key=lambda file: (_ordinal(metas[file]), file.name))
    return RunFiles(ordered, [], whole=True)


def next_ordinal(run_dir: Path) -> int:
    """The ordinal for a new log file, higher than all others. Raises `OSError` as `mcap_files` does."""
    metas = (file_meta(file) for file in mcap_files(RunPaths(run_dir).log_dir))
    return max((meta.ordinal + 1 for meta in metas if meta is not None), default=0)


def file_meta(path: Path) -> FileMeta | None:
    """The description that a file begins with; None if it has none."""
    try:
        with path.open("rb") as file:
            channels = EventChannels()
            next(read_chunks(file, channels), None)
        return msgspec.json.decode(channels.meta, type=FileMeta)
    except (OSError, *DECODE_ERRORS):
        return None


def _ordinal(meta: FileMeta | None) -> int:
    return -1 if meta is None else meta.ordinal


def _files_of_run(run_dir: Path) -> RunFiles:
    logs = log_files(run_dir).logs
    spools = sorted(mcap_files(RunPaths(run_dir).spool_dir), key=spool_file_order)
    if logs or spools:
        return RunFiles(logs, spools, whole=True)
    runs = sorted(path.parent.name for path in run_dir.glob("*/spool"))
    hint = f"choose one of its runs, e.g. {run_dir / runs[-1]}" if runs else "choose a run directory"
    raise InvalidArgument(f"{run_dir} has no log of a run; {hint}.")


def _check_file(path: Path) -> None:
    try:
        with path.open("rb") as file:
            magic = file.read(len(MCAP0_MAGIC))
    except OSError as error:
        raise StorageError(
            f"Cannot read {path} ({error.strerror}); choose a run directory or an .mcap file."
        ) from error
    if not magic:
        raise InvalidArgument(f"{path} is empty: nothing was recorded in it; choose another file.")
    if magic != MCAP0_MAGIC:
        raise InvalidArgument(f"{path} is not an MCAP log; choose a run directory or an .mcap file.")
