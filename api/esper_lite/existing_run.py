"""An earlier start of a run, as its directory shows it: whether there was one, and its last update."""

from fnmatch import fnmatchcase
from pathlib import Path

from esper_bus.mcap.reader import CutShort, Damage, Unreadable
from esper_bus.mcap.salvage import salvage_file
from esper_bus.names import file_part
from esper_bus.paths import RunPaths
from esper_bus.store.run_files import mcap_files
from esper_bus.store.run_reader import read_records
from esper_schemas.errors import Damaged, RunExists, StorageError
from esper_schemas.events import PPOUpdateCompleted, RunStarted


def producer_name(run_dir: Path, rank: int, *, resume: bool) -> str:
    """The producer name of a rank; a run begun by version 0.1.0 keeps the name from there, `HOST:RANK`."""
    name = f"trainer:{rank}"
    spools = _files_in(RunPaths(run_dir).spool_dir) if resume else []
    if not spools or any(file.name.startswith(f"{file_part(name)}-") for file in spools):
        return name
    starts = ((r.producer, r.event) for r in read_records(run_dir) if isinstance(r.event, RunStarted))
    return next((producer for producer, event in starts if event.rank == rank), name)


def refuse_existing(run_dir: Path, producer: str, world_size: int) -> None:
    """Raise `RunExists` if this process of the run was recorded before; other ranks may have been."""
    paths = RunPaths(run_dir)
    if world_size == 1:
        exists = bool(_files_in(paths.spool_dir) or _files_in(paths.log_dir))
    else:
        own = f"{file_part(producer)}-{'[0-9a-f]' * 16}.*"
        exists = any(fnmatchcase(file.name, own) for file in _files_in(paths.spool_dir))
    if exists:
        raise RunExists(
            f"There is a run {run_dir.name} in {run_dir.parent} already; choose another name, or pass "
            "resume=True to go on with it."
        )


def updates_before(run_dir: Path, started: RunStarted) -> int:
    """The update after which the run continues; 0 for a run that does not exist yet.

    Raises `StorageError` for a file that cannot be read, and `Damaged` for one without an intact part: the
    updates in it would be numbered again.
    """
    if started.resumed_from is not None:
        return started.resumed_from
    paths = RunPaths(run_dir)
    files = _files_in(paths.spool_dir) + _files_in(paths.log_dir)
    return max(map(_last_update, files), default=0)


def _last_update(file: Path) -> int:
    """The last update in the intact parts of a file, 0 without updates."""
    damaged: list[Damage] = []
    last, empty = 0, True
    for record in salvage_file(file, damaged.append):
        event, empty = record.decoded().event, False
        if isinstance(event, PPOUpdateCompleted):
            last = max(last, event.update)
    for damage in damaged:
        if isinstance(damage, Unreadable):
            raise StorageError(_unknown_update(damage, "make it readable"))
        if empty and not isinstance(damage, CutShort):
            raise Damaged(_unknown_update(damage, "move it elsewhere"))
    return last


def _unknown_update(damage: Damage, advice: str) -> str:
    return (
        f"{damage.file} cannot be read ({damage.what}), so the last update of the run is not known; "
        f"{advice}, or pass RunStarted(resumed_from=...)."
    )


def _files_in(directory: Path) -> list[Path]:
    """The .mcap files in a directory, none if there is no such directory."""
    try:
        return mcap_files(directory)
    except OSError as error:
        raise StorageError(
            f"Cannot list {directory} ({error.strerror}); make it readable, or choose another directory."
        ) from error
