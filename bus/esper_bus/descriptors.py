"""File descriptors of an aggregator: each trainer, screen and log file needs one."""

import resource

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
