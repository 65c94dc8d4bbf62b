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
RESIZE_INTERVAL_S = 0.02
"""The shortest time between two resizes."""


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

        def start_application_mode(self) -> None:
            super().start_application_mode()
            coalesce_resizes()

    return HangupTolerantDriver


def exit_on_signals(end: Callable[[], object]) -> None:
    """Have SIGTERM and SIGHUP call `end`, so that the terminal is restored."""
    with suppress(NotImplementedError, RuntimeError, ValueError):  # Not Unix, or not the main thread.
        for number in (signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, end)
        # Every signal writes to the loop's wake-up socket. Where a burst fills it, Python would take a lock
        # in its C handler to warn about that, which may interrupt the holder of the same lock.
        signal.set_wakeup_fd(signal.set_wakeup_fd(-1), warn_on_full_buffer=False)


def coalesce_resizes() -> None:
    """Call the handler of SIGWINCH that is set at most once per `RESIZE_INTERVAL_S`, from the event loop.

    Python calls a handler within that of the last signal if it has not ended. On a busy machine a burst of
    resizes, of which a window that is dragged sends hundreds, would exceed the recursion limit.
    """
    handler, loop = signal.getsignal(signal.SIGWINCH), asyncio.get_running_loop()
    due = False

    def resize() -> None:
        nonlocal due
        due = False
        if callable(handler):
            handler(signal.SIGWINCH, None)

    def resized(*_: object) -> None:
        nonlocal due
        if not due:
            due = True
            loop.call_soon_threadsafe(loop.call_later, RESIZE_INTERVAL_S, resize)

    with suppress(ValueError):  # not the main thread
        signal.signal(signal.SIGWINCH, resized)


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
