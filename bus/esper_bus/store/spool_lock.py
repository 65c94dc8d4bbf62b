"""Whether a spool is still being written: the lock beside it ends with the trainer's process.

It is a file of its own, since closing any descriptor of a locked file frees the lock, and a trainer reads
its own spool.
"""

import contextlib
from pathlib import Path

from esper_bus.host.file_lock import FileLock, examine

LOCK_SUFFIX = ".lock"


def lock_spool(spool: Path) -> FileLock:
    """Lock a spool, whose first file this is. Raises `OSError`, and leaves no lock file then."""
    path = spool.with_suffix(LOCK_SUFFIX)
    try:
        return FileLock(path)
    except OSError:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
        raise


def is_dead(lock: Path) -> bool:
    """Whether the trainer that made this lock ran on this machine and has ended.

    A trainer on another machine may be alive although its lock looks free here.
    """
    try:
        state = examine(lock)
    except OSError:
        return False
    return state.of_this_machine and not state.held
