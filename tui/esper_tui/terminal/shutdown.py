"""When the screen ends although nobody pressed a key: told to by a signal, or because nobody can see it."""

import asyncio
import errno
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress

TERMINAL_CHECK_S = 2.0
"""How often it is looked whether there is still somebody to draw for."""


def end_on_signals(end: Callable[[], object]) -> None:
    """Have SIGTERM and SIGHUP call `end`, so that the terminal is left as it was found."""
    with suppress(NotImplementedError, RuntimeError, ValueError):  # Not Unix, or not the main thread.
        for number in (signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, end)


def terminal_is_gone() -> bool:
    """Whether the terminal was hung up, as that of an ssh connection that broke may be without a word."""
    if sys.__stdin__ is None:
        return False
    try:
        os.get_terminal_size(sys.__stdin__.fileno())
    except OSError as error:
        return error.errno == errno.EIO
    except ValueError:  # It was closed by us.
        return False
    return False
