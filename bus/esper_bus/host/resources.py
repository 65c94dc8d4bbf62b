"""What an aggregator's process has left: file descriptors, one for each peer and log file, and memory."""

import os
import resource
from pathlib import Path

ENOUGH = 65_536


def raise_fd_limit() -> int:
    """Allow this process as many open files as the system grants it, and `ENOUGH` at most; returns how many.

    libzmq aborts where a bound Unix socket accepts a connection while no descriptor is free, so that the
    limit must lie far above what trainers and screens need.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = ENOUGH if hard == resource.RLIM_INFINITY else min(hard, ENOUGH)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        return wanted
    return soft


def files_left() -> int:
    """How many files this process can still open; `ENOUGH` where the system does not tell."""
    try:
        used = _FDS.stat().st_size or sum(1 for _ in _FDS.iterdir())  # a number only since Linux 6.2
    except OSError:
        return ENOUGH
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0] - used


def spare_files() -> int:
    """How many are kept free: more than libzmq can accept before a busy aggregator looks again."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 4


def memory_bytes() -> int:
    """The resident memory of this process, 0 where the system does not tell."""
    try:
        return int(_STATM.read_bytes().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


_FDS, _STATM = Path("/proc/self/fd"), Path("/proc/self/statm")
