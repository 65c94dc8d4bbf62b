"""Ports of this machine that nobody uses."""

import contextlib
import random
import socket

_RANDOM = random.SystemRandom()  # two test runs that seed Python's own must not draw the same


def free_ports(count: int, host: str = "127.0.0.1") -> int:
    """The first of `count` ports in a row.

    None of those that the system gives to outgoing connections: one of them may be taken at any moment.
    """
    while True:
        first = _RANDOM.randrange(10_000, 30_000)
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            for port in range(first, first + count):
                stack.enter_context(socket.create_server((host, port)))
            return first
