"""At most one aggregator for each runs directory, and the directories that have one."""

import contextlib
import os
from pathlib import Path
from typing import Self

from esper_bus.addresses import make_private_dir, runtime_base, runtime_dir
from esper_bus.host.file_lock import FileLock, LockHeldError, examine
from esper_schemas.errors import EsperError, Refused, StorageError

LOCK_NAME = ".aggregator.lock"
REGISTRY_NAME = "runs_dir"


class AggregatorLock:
    """Held by the one aggregator of a runs directory.

    Raises `Refused` if another holds it, and `StorageError` if the directory cannot be written.
    """

    def __init__(self, runs_dir: Path) -> None:
        try:
            self._lock = FileLock(runs_dir.resolve() / LOCK_NAME)
        except LockHeldError as error:
            raise Refused(_taken(runs_dir, error.pid)) from error
        except OSError as error:
            raise StorageError(
                f"Cannot write to {runs_dir} ({error.strerror}); make it writable or choose "
                "another runs directory."
            ) from error
        try:
            _register(runs_dir)
        except EsperError:
            self._lock.release()
            raise

    def release(self) -> None:
        """Free the directory for another aggregator."""
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def aggregator_running(runs_dir: Path) -> bool:
    """Whether an aggregator holds the lock of this runs directory."""
    try:
        return examine(runs_dir.resolve() / LOCK_NAME).held
    except OSError:
        return False


def local_runs_dirs() -> list[Path]:
    """The runs directories that aggregators of this user serve now, the most recent first."""
    found: list[tuple[float, Path]] = []
    for path in runtime_base().glob(f"*/{REGISTRY_NAME}"):
        with contextlib.suppress(OSError):  # removed since it was listed
            found.append((path.stat().st_mtime, Path(os.fsdecode(path.read_bytes()))))
    return [runs_dir for _, runs_dir in sorted(found, reverse=True) if aggregator_running(runs_dir)]


def _register(runs_dir: Path) -> None:
    """Add the directory to those that `local_runs_dirs` finds."""
    make_private_dir(runtime_base())
    directory = make_private_dir(runtime_dir(runs_dir))
    try:
        (directory / REGISTRY_NAME).write_bytes(os.fsencode(runs_dir.resolve()))
    except OSError as error:
        raise StorageError(f"Cannot write to {directory} ({error.strerror}); free space there.") from error


def _taken(runs_dir: Path, pid: int | None) -> str:
    process = f" (process {pid})" if pid else ""
    return f"An aggregator{process} already serves {runs_dir}; stop it or choose another runs directory."
