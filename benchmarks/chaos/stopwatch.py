"""How long `emit` delays a trainer's thread, on a machine that may be busy."""

import os
import threading
import time
from array import array
from collections.abc import Callable


class Stopwatch:
    """Measures calls, without the time in which the thread could have run but had no core.

    This leaves computation, and waiting for a lock, a disk or a socket.
    """

    def __init__(self) -> None:
        path = f"/proc/self/task/{threading.get_native_id()}/schedstat"
        self._schedstat = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._held_up_ns = array("q")

    def call(self, step: Callable[[], object]) -> None:
        """Run and measure one step."""
        waited = self._waited_ns()
        began = time.perf_counter_ns()
        step()
        took = time.perf_counter_ns() - began
        self._held_up_ns.append(max(0, took - (self._waited_ns() - waited)))

    def report(self) -> dict[str, float]:
        """The number of calls, the number of those that took longer than a millisecond, and the longest
        time.
        """
        longest = max(self._held_up_ns, default=0)
        over = sum(ns >= 1_000_000 for ns in self._held_up_ns)
        return {"emits": len(self._held_up_ns), "over_1_ms": over, "longest_ms": longest / 1e6}

    def _waited_ns(self) -> int:
        return int(os.pread(self._schedstat, 100, 0).split()[1])
