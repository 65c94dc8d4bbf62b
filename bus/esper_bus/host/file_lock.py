"""An exclusive lock on a file, which ends with the process that holds it.

It is a POSIX record lock (`lockf`): one of the other kind (`flock`) would be kept by forked workers that
outlive the process. Record locks have two traps, which this module avoids: a process is not kept out by its
own locks, and it loses one when it closes any descriptor of the file.
"""

import contextlib
import fcntl
import os
import platform
import time
from pathlib import Path
from typing import NamedTuple, Self

_ATTEMPTS = 10
_PAUSE_S = 0.02  # another process may be examining the lock at this moment
_MAX_CONTENT = 1024
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

_held: dict[Path, int] = {}  # which process holds a lock; forked processes inherit this, but no locks


class LockHeldError(Exception):
    """Another process, or this one, holds the lock; `pid` is its number if it is known."""

    def __init__(self, pid: int | None) -> None:
        super().__init__(f"held by process {pid}")
        self.pid = pid


class LockState(NamedTuple):
    """Whether a lock is held, and what its last holder wrote into the file.

    `machine` names the holder's machine: a lock over a network file system may look free to another one.
    """

    held: bool
    pid: int | None
    machine: frozenset[str]

    @property
    def of_this_machine(self) -> bool:
        """Whether the last holder ran on this machine, since its last boot."""
        return not self.machine.isdisjoint(_this_machine())


class FileLock:
    """Locks a file, which is made if there is none, with its directory.

    Raises `LockHeldError` if it is locked, also by this process, and `OSError` where it cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.resolve()
        if _held.get(self._path) == os.getpid():
            raise LockHeldError(os.getpid())
        self._released = False
        self._fd = _lock(self._path)
        _held[self._path] = os.getpid()

    def restore(self) -> None:
        """Make and lock the file again if it was deleted. Raises as the constructor does."""
        if not self._path.exists():
            old, self._fd = self._fd, _lock(self._path)
            os.close(old)

    def release(self, *, remove: bool = False) -> None:
        """Free the lock. Unless the file is removed, it stays: others may wait for it already.

        Calls after the first do nothing.
        """
        if self._released:
            return
        self._released = True
        _held.pop(self._path, None)
        if remove:
            with contextlib.suppress(OSError):
                self._path.unlink(missing_ok=True)
        os.close(self._fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def examine(path: Path) -> LockState:
    """Who holds the lock, or held it last. Raises `OSError` where there is no such file."""
    path = path.resolve()
    if _held.get(path) == os.getpid():
        return LockState(True, os.getpid(), _this_machine())
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        held = not _try(fd, fcntl.LOCK_SH)
        return _state(fd, held)
    finally:
        os.close(fd)


def _lock(path: Path) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        for _ in range(_ATTEMPTS):
            if _try(fd, fcntl.LOCK_EX):
                os.ftruncate(fd, 0)
                os.pwrite(fd, "\n".join((str(os.getpid()), *_this_machine())).encode(), 0)
                return fd
            time.sleep(_PAUSE_S)
        raise LockHeldError(_state(fd, held=True).pid)
    except BaseException:
        os.close(fd)
        raise


def _try(fd: int, kind: int) -> bool:
    try:
        fcntl.lockf(fd, kind | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):  # systems differ in how they say that it is held
        return False
    return True


def _state(fd: int, held: bool) -> LockState:
    pid, *machine = os.pread(fd, _MAX_CONTENT, 0).decode(errors="replace").split("\n")
    return LockState(held, int(pid) if pid.isdecimal() else None, frozenset((pid, *machine)))


def _this_machine() -> frozenset[str]:
    """What a process shares with all others of its machine: containers have names of their own."""
    with contextlib.suppress(OSError):
        return frozenset({platform.node(), _BOOT_ID.read_text().strip()} - {""})
    return frozenset({platform.node()})
