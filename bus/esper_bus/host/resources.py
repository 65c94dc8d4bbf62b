"""The file descriptors and the memory of this process."""

import os
import resource
from pathlib import Path

ENOUGH_FILES = 65_536


def raise_fd_limit() -> int:
    """Raise the limit of open files to the hard limit, `ENOUGH_FILES` at most; returns the new limit.

    libzmq aborts where a bound Unix socket accepts a connection while no descriptor is free, so the limit has
    to be far above what trainers, screens and log files need.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = ENOUGH_FILES if hard == resource.RLIM_INFINITY else min(hard, ENOUGH_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        return wanted
    return soft


def files_left() -> int:
    """How many more files this process can open; `ENOUGH_FILES` where the system does not say."""
    try:
        used = _FDS.stat().st_size or sum(1 for _ in _FDS.iterdir())  # a number only since Linux 6.2
    except OSError:
        return ENOUGH_FILES
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0] - used


def reserved_files() -> int:
    """How many descriptors are kept free: more than libzmq can use between two checks of an aggregator."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 4


def memory_bytes() -> int:
    """The resident memory of this process in bytes, 0 where the system does not say."""
    try:
        return int(_STATM.read_bytes().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


_FDS, _STATM = Path("/proc/self/fd"), Path("/proc/self/statm")
