"""Wakes a waiting thread at almost no cost to the thread that does it."""

import threading


class WakeUp:
    """One thread waits, any thread wakes it; calls before the wait are not lost, several count as one.

    A lock instead of a pipe, because releasing a lock does not release the interpreter: a training
    thread that writes to a pipe would have to wait until the woken thread lets it continue.
    """

    def __init__(self) -> None:
        self._asleep = threading.Lock()
        self._asleep.acquire()

    def set(self) -> None:
        """End the wait, or the next one if no thread waits now."""
        try:
            self._asleep.release()
        except RuntimeError:  # it was set before
            return

    def wait(self, timeout_s: float) -> bool:
        """Wait at most `timeout_s` seconds; returns whether `set` was called."""
        return self._asleep.acquire(timeout=max(0.0, timeout_s))
