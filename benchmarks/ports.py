"""Unused ports of this machine."""

import contextlib
import random
import socket

_RANDOM = random.SystemRandom()  # test runs that seed Python's generator must get different ports


def free_ports(count: int, host: str = "127.0.0.1") -> int:
    """The first of `count` consecutive ports.

    They are not in the range of outgoing connections, where the system may take a port at any moment.
    """
    while True:
        first = _RANDOM.randrange(10_000, 30_000)
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            for port in range(first, first + count):
                stack.enter_context(socket.create_server((host, port)))
            return first
