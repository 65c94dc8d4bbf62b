"""One aggregator for each runs directory: a lock that dies with its process."""

import fcntl
import os
import time
from pathlib import Path
from types import TracebackType

from esper_bus.addresses import make_private_dir, runtime_base, runtime_dir
from esper_schemas.errors import EsperError, Refused, StorageError

LOCK_NAME = ".aggregator.lock"
REGISTRY_NAME = "runs_dir"
_ATTEMPTS = 10
_PAUSE_S = 0.02  # somebody may be asking at this moment whether the lock is held

_held: set[Path] = set()  # a process does not meet its own POSIX locks


class AggregatorLock:
    """Held by the one aggregator of a runs directory. Raises `Refused` if another holds it."""

    def __init__(self, runs_dir: Path) -> None:
        self._path = runs_dir.resolve() / LOCK_NAME
        if self._path in _held:
            raise Refused(_taken(runs_dir, os.getpid()))
        try:
            runs_dir.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise StorageError(
                f"Cannot write to {runs_dir} ({error.strerror}); make it writable or choose "
                "another place with --runs-dir."
            ) from error
        try:
            self._acquire(runs_dir)
            _register(runs_dir)
        except EsperError:
            os.close(self._fd)
            raise
        _held.add(self._path)

    def release(self) -> None:
        """Let another aggregator have the directory; the file stays, removing it would race."""
        if self._path in _held:
            _held.discard(self._path)
            os.close(self._fd)

    def __enter__(self) -> "AggregatorLock":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()

    def _acquire(self, runs_dir: Path) -> None:
        for attempt in range(_ATTEMPTS):
            try:
                fcntl.lockf(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if attempt == _ATTEMPTS - 1:
                    raise Refused(_taken(runs_dir, _read_pid(self._fd))) from error
                time.sleep(_PAUSE_S)
            else:
                os.ftruncate(self._fd, 0)
                os.pwrite(self._fd, str(os.getpid()).encode(), 0)
                return


def aggregator_alive(runs_dir: Path) -> bool:
    """Whether an aggregator holds the lock of this runs directory."""
    path = runs_dir.resolve() / LOCK_NAME
    if path in _held:
        return True
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.lockf(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(fd)
    return False


def local_runs_dirs() -> list[Path]:
    """The runs directories that an aggregator of this user serves now, newest first."""
    entries = [path for path in runtime_base().glob(f"*/{REGISTRY_NAME}") if path.is_file()]
    entries.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    found = [Path(os.fsdecode(path.read_bytes())) for path in entries]
    return [runs_dir for runs_dir in found if aggregator_alive(runs_dir)]


def _register(runs_dir: Path) -> None:
    """Leave a note where `local_runs_dirs` looks."""
    make_private_dir(runtime_base())
    directory = make_private_dir(runtime_dir(runs_dir))
    try:
        (directory / REGISTRY_NAME).write_bytes(os.fsencode(runs_dir.resolve()))
    except OSError as error:
        raise StorageError(f"Cannot write to {directory} ({error.strerror}); free space there.") from error


def _read_pid(fd: int) -> int | None:
    text = os.pread(fd, 32, 0)
    return int(text) if text.isdigit() else None


def _taken(runs_dir: Path, pid: int | None) -> str:
    process = f" (process {pid})" if pid else ""
    return f"An aggregator{process} already serves {runs_dir}; stop it or choose another --runs-dir."
