"""What happens when the terminal hangs up or a signal arrives: writing never fails, and the app exits."""

import asyncio
import errno
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import IO, Any

from textual.driver import Driver

TERMINAL_CHECK_S = 2.0
"""How often the app checks whether its terminal still exists."""


class HangupTolerantStream:
    """A stream to a terminal; what is written after a hang-up is discarded without an error.

    Textual writes in a thread with a bounded queue. An error would end the thread, the full queue would then
    block the app while it draws, and it could never notice that it should exit.
    """

    def __init__(self, terminal: IO[str]) -> None:
        self._terminal = terminal

    def write(self, text: str) -> None:
        """Write, or discard the text."""
        try:
            self._terminal.write(text)
        except OSError:
            return

    def flush(self) -> None:
        """Flush, or discard what is buffered."""
        try:
            self._terminal.flush()
        except OSError:
            return

    def __getattr__(self, name: str) -> Any:
        return getattr(self._terminal, name)


def hangup_tolerant(driver: type[Driver]) -> type[Driver]:
    """A driver like the given one that writes to the terminal through a `HangupTolerantStream`."""

    class HangupTolerantDriver(driver):  # type: ignore[valid-type, misc]
        def __init__(self, *args: Any, **settings: Any) -> None:
            super().__init__(*args, **settings)
            terminal = sys.__stderr__
            if terminal is not None and vars(self).get("_file") == terminal:
                self._file = HangupTolerantStream(terminal)

    return HangupTolerantDriver


def exit_on_signals(end: Callable[[], object]) -> None:
    """Have SIGTERM and SIGHUP call `end`, so that the terminal is restored."""
    with suppress(NotImplementedError, RuntimeError, ValueError):  # Not Unix, or not the main thread.
        for number in (signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, end)


def terminal_is_gone() -> bool:
    """Whether the terminal has hung up; after a broken ssh connection no signal need say so."""
    if sys.__stdin__ is None:
        return False
    try:
        os.get_terminal_size(sys.__stdin__.fileno())
    except OSError as error:
        return error.errno == errno.EIO
    except ValueError:  # It was closed by us.
        return False
    return False
