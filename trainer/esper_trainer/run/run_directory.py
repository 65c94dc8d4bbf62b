"""The directory of a run: created once, and locked by each rank that trains in it."""

from pathlib import Path
from tempfile import TemporaryFile

from esper_bus.host.file_lock import FileLock, LockHeldError
from esper_bus.names import check_name
from esper_bus.paths import RunPaths
from esper_schemas.errors import InvalidArgument, Refused, RunExists, StorageError


def create_run_dir(runs_dir: Path, name: str) -> Path:
    """Create the directory of a new run; a run is never recorded into the directory of another run.

    Raises `RunExists`, `StorageError` if the directory cannot be written, `InvalidArgument` for a name that
    cannot be used.
    """
    run_dir = runs_dir / check_name("run", name)
    if is_run(run_dir):
        raise RunExists(
            f"The run {name} already exists; continue it with --resume {name} or choose another --name."
        )
    try:
        ensure_writable(run_dir)
    except OSError as error:
        raise StorageError(
            f"Cannot write {run_dir} ({error.strerror}); choose another --runs-dir."
        ) from error
    return run_dir


def ensure_writable(directory: Path) -> None:
    """Create a directory if it does not exist, and try to write to it. Raises OSError."""
    directory.mkdir(parents=True, exist_ok=True)
    TemporaryFile(dir=directory).close()  # has a unique name: several ranks may try at once


def recovery_advice(run_dir: Path) -> str:
    """What to do about a run that ended early, as the end of a sentence."""
    saved = any((run_dir / "checkpoints").glob("*.pt"))
    return f"resume from the last checkpoint with --resume {run_dir.name}" if saved else "start a new run"


def require_run(run_dir: Path) -> None:
    """Raise `InvalidArgument` if nothing was recorded in the directory."""
    if not is_run(run_dir):
        raise InvalidArgument(
            f"There is no run {run_dir.name} in {run_dir.parent}; list its directory for the names of runs."
        )


def is_run(run_dir: Path) -> bool:
    """Whether anything was recorded in the directory."""
    paths = RunPaths(run_dir)
    return paths.spool_dir.exists() or paths.log_dir.exists()


def lock_training(run_dir: Path, rank: int) -> FileLock:
    """Lock one rank of a run for as long as this process trains it.

    Raises `Refused` if another process trains it, `StorageError` if the lock file cannot be written.
    """
    path = run_dir / f".training-rank{rank}.lock"
    try:
        return FileLock(path)
    except LockHeldError as error:
        raise Refused(
            f"The run {run_dir.name} is being trained by another process; stop that training first."
        ) from error
    except OSError as error:
        raise StorageError(f"Cannot write {path} ({error.strerror}); make it writable.") from error
