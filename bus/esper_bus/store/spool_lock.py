"""Who still writes a spool: a lock beside it that dies with the trainer's process.

A POSIX record lock (`lockf`), because one of the other kind (`flock`) would be kept by forked workers
that outlive their trainer; on a file of its own, because closing any descriptor of a locked file frees it.
"""

import contextlib
import fcntl
import os
import platform
from pathlib import Path

LOCK_SUFFIX = ".lock"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

_held: set[Path] = set()  # a process does not meet its own POSIX locks


class SpoolLock:
    """Held by the trainer that writes a spool. Raises `OSError` where it cannot be made."""

    def __init__(self, spool: Path) -> None:
        self._path = spool.with_suffix(LOCK_SUFFIX).absolute()
        self._fd = _lock(self._path)
        _held.add(self._path)

    def restore(self) -> None:
        """Make the lock again if its file was deleted. Raises `OSError`."""
        if not self._path.exists():
            old, self._fd = self._fd, _lock(self._path)
            os.close(old)

    def release(self, *, remove: bool) -> None:
        """Free the lock; the file stays unless nothing is left that an aggregator should adopt."""
        if remove:
            with contextlib.suppress(OSError):
                self._path.unlink(missing_ok=True)
        _held.discard(self._path)
        os.close(self._fd)


def _lock(path: Path) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.lockf(fd, fcntl.LOCK_EX)  # waits while somebody asks whether it is held
        os.pwrite(fd, "\n".join(_this_machine()).encode(), 0)
    except OSError:
        os.close(fd)
        path.unlink(missing_ok=True)
        raise
    return fd


def is_dead(lock: Path) -> bool:
    """Whether the trainer that made this lock, on this machine, is gone.

    One of another machine may live although its lock looks free here.
    """
    if lock.absolute() in _held:
        return False
    try:
        fd = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        owner = os.pread(fd, 1024, 0).decode(errors="replace").split("\n")
    except OSError:
        return False
    finally:
        os.close(fd)
    return not _this_machine().isdisjoint(owner)


def _this_machine() -> set[str]:
    """What a process shares with all others of its machine: containers have names of their own."""
    with contextlib.suppress(OSError):
        return {platform.node(), _BOOT_ID.read_text().strip()} - {""}
    return {platform.node()}
