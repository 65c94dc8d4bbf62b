"""The driver of Textual, made to outlive its terminal."""

import sys
from typing import IO, Any

from textual.driver import Driver


class HangupTolerantStream:
    """A terminal to write to; what is written after it was hung up is lost, and that is no error.

    Textual writes on a thread with a bounded queue. An error would end the thread, the full queue would
    then stop the app in the middle of a picture, and it could never see that it is time to end.
    """

    def __init__(self, terminal: IO[str]) -> None:
        self._terminal = terminal

    def write(self, text: str) -> None:
        """Write, or lose it."""
        try:
            self._terminal.write(text)
        except OSError:
            return

    def flush(self) -> None:
        """Write out what is kept, or lose it."""
        try:
            self._terminal.flush()
        except OSError:
            return

    def __getattr__(self, name: str) -> Any:
        return getattr(self._terminal, name)


def hangup_tolerant(driver: type[Driver]) -> type[Driver]:
    """A driver like this one, that writes to an `Outlet` where it would write to a terminal."""

    class Outliving(driver):  # type: ignore[valid-type, misc]
        def __init__(self, *args: Any, **settings: Any) -> None:
            super().__init__(*args, **settings)
            terminal = sys.__stderr__
            if terminal is not None and vars(self).get("_file") == terminal:
                self._file = HangupTolerantStream(terminal)

    return Outliving
