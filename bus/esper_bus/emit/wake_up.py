"""Wakes a thread at almost no cost to the one that rings."""

import threading


class WakeUp:
    """One thread waits, any thread rings; rings before the wait are not lost, several count as one.

    A lock instead of a pipe, because releasing a lock does not release the interpreter: a training
    thread that writes to a pipe would have to wait until the woken thread lets it go on.
    """

    def __init__(self) -> None:
        self._silence = threading.Lock()
        self._silence.acquire()

    def ring(self) -> None:
        """End the wait."""
        try:
            self._silence.release()
        except RuntimeError:  # somebody rang already
            return

    def wait(self, timeout_s: float) -> bool:
        """Wait for a ring, at most so long; returns whether there was one."""
        return self._silence.acquire(timeout=max(0.0, timeout_s))
