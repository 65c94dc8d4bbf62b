"""The directory of a run: made once, and trained into by one process per rank."""

from pathlib import Path
from tempfile import TemporaryFile

from esper_bus.host.file_lock import FileLock, LockHeldError
from esper_bus.names import check_name
from esper_bus.paths import RunPaths
from esper_schemas.errors import InvalidArgument, Refused, RunExists, StorageError


def create_run_dir(runs_dir: Path, name: str) -> Path:
    """Make the directory of a run; a run is never recorded into another one's directory.

    Raises `RunExists`, `StorageError` if the directory cannot be written, `InvalidArgument` for a name that
    cannot be used.
    """
    run_dir = runs_dir / check_name("run", name)
    if is_run(run_dir):
        raise RunExists(
            f"There is a run {name} already; go on with --resume {name} or choose another --name."
        )
    try:
        ensure_writable(run_dir)
    except OSError as error:
        raise StorageError(
            f"Cannot write {run_dir} ({error.strerror}); choose another --runs-dir."
        ) from error
    return run_dir


def ensure_writable(directory: Path) -> None:
    """Make a directory if there is none, and try to write into it. Raises OSError."""
    directory.mkdir(parents=True, exist_ok=True)
    TemporaryFile(dir=directory).close()  # of a name of its own: several ranks try at once


def recovery_advice(run_dir: Path) -> str:
    """What to do about a run that broke off: the end of a sentence."""
    saved = any((run_dir / "checkpoints").glob("*.pt"))
    return f"go on from the last checkpoint with --resume {run_dir.name}" if saved else "start a new run"


def require_run(run_dir: Path) -> None:
    """Raises `InvalidArgument` if nothing was recorded there."""
    if not is_run(run_dir):
        raise InvalidArgument(
            f"There is no run {run_dir.name} in {run_dir.parent}; see what is there with ls."
        )


def is_run(run_dir: Path) -> bool:
    """Whether anything was recorded there."""
    paths = RunPaths(run_dir)
    return paths.spool_dir.exists() or paths.log_dir.exists()


def lock_training(run_dir: Path, rank: int) -> FileLock:
    """Lock one rank of a run for as long as this process trains it.

    Raises `Refused` if a process trains it already.
    """
    path = run_dir / f".training-rank{rank}.lock"
    try:
        return FileLock(path)
    except LockHeldError as error:
        raise Refused(
            f"The run {run_dir.name} is being trained at this moment; stop that training first."
        ) from error
    except OSError as error:
        raise StorageError(f"Cannot write {path} ({error.strerror}); make it writable.") from error
