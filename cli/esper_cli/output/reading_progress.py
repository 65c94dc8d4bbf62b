"""The progress of reading a long recorded run: a line on a terminal, which is removed at the end."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from esper_aggregator.fold.run_state import RunState
from esper_aggregator.log_source import FoldedLog
from esper_bus.mcap.reader import OnDamage
from esper_cli.output.echo import escaped
from esper_schemas.declarations import RunThresholds
from esper_schemas.source import OnProgress, ignore_progress

SHOWN_AFTER_S = 1.0
"""The time that a user waits without a word."""
INTERVAL_S = 0.2
_CLEARED = "\r\x1b[K"


@contextmanager
def reading_progress(command: str, path: Path) -> Iterator[OnProgress]:
    """A callback that shows how much of a run was read, on stderr if that is a terminal."""
    if not sys.stderr.isatty():
        yield ignore_progress
        return
    line = _ProgressLine(f"{command}: reading {escaped(str(path))}")
    try:
        yield line.show
    finally:
        line.clear()


class _ProgressLine:
    """The last line of the terminal, while a run is read."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._due_s = time.monotonic() + SHOWN_AFTER_S
        self._shown = False

    def show(self, share: float) -> None:
        """Show the share that was read, unless it was shown just now."""
        now = time.monotonic()
        if now >= self._due_s:
            self._due_s, self._shown = now + INTERVAL_S, True
            self._write(f"{_CLEARED}{self._what}: {share:.0%}")

    def clear(self) -> None:
        """Remove the line, if there is one."""
        if self._shown:
            self._write(_CLEARED)

    def _write(self, text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()


def folded_run(command: str, path: Path, on_damage: OnDamage, given: RunThresholds | None = None) -> RunState:
    """Fold a recorded run to its end, from its last checkpoint on, with progress.

    Raises `EsperError` if nothing at `path` can be read as a log.
    """
    log = FoldedLog(path, on_damage, given)
    with reading_progress(command, path) as show:
        while not log.advance(time.monotonic() + INTERVAL_S):
            show(log.share_read)
    return log.state
