"""Interrupting a run without losing its events: SIGINT, SIGTERM, or a call from another thread."""

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, Self

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(Exception):  # noqa: N818 - not an error
    """Training was interrupted."""


class Interruption:
    """Records signals while it is entered (in the main thread only), for the training loop to check.

    A second signal has its previous effect, so that a hanging run can be ended.
    """

    def __init__(self) -> None:
        self._reason = ""
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._note) for number in SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        self._restore()

    def request(self, reason: str) -> None:
        """Interrupt the run at its next step; may be called from any thread."""
        self._reason = reason

    def check(self, anyone: Callable[[bool], bool] = bool) -> None:
        """Raise `Interrupted` if the run was interrupted in this process or, by `anyone`, in another one."""
        if anyone(bool(self._reason)):
            raise Interrupted(self._reason or "The run was interrupted in another process.")

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.request(f"The run was interrupted by {signal.Signals(number).name}.")
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}
