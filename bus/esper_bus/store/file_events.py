"""Waits for the events of files that are still being written."""

import time
from pathlib import Path

from esper_bus.records import RawRecord
from esper_bus.store.growing_run import GrowingRun

POLL_S = 0.02
"""Interval between polls of files that had no new events."""
_READ_EVENTS = 256


class FileEvents:
    """The events of a run directory or an .mcap file, each once, without the first `start`.

    `position` counts the events that were returned or left out. Raises `InvalidArgument` if there is nothing
    to read.
    """

    def __init__(self, path: Path, start: int) -> None:
        self.position = 0
        self._start = start
        self._run = GrowingRun(path)

    def read(self, timeout_s: float) -> list[RawRecord]:
        """The next events; waits for new ones, empty after `timeout_s` seconds."""
        deadline = time.monotonic() + timeout_s
        while not (records := self._next()):
            if time.monotonic() >= deadline:
                return []
            time.sleep(min(POLL_S, max(0.0, deadline - time.monotonic())))
            self._run.refresh()
        return records

    def skip_to_end(self) -> None:
        """Leave out all events that are there now."""
        while self._next():
            continue

    def close(self) -> None:
        """Do nothing: no file is kept open."""

    def _next(self) -> list[RawRecord]:
        while records := self._run.read(_READ_EVENTS):
            skipped = max(0, self._start - self.position)
            self.position += len(records)
            if records[skipped:]:
                return records[skipped:]
        return []
