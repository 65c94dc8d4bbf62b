"""Writes the checkpoints of one recording; errors are logged, never raised."""

import contextlib
from collections.abc import Callable
from pathlib import Path

from esper_aggregator.fold.state_codec import fold_fingerprint
from esper_aggregator.past.checkpoint_file import CheckpointAppender, CheckpointHead, log_checksum
from esper_aggregator.past.history_fold import HistoryFold
from esper_bus.paths import RunPaths
from esper_bus.rate_limited_log import RateLimitedLog
from esper_bus.store.log_position import LogPosition


class CheckpointWriter:
    """Appends the checkpoints of a log.

    `place` is that of the last one, `None` without any, and `end` the size of the file behind it.
    """

    def __init__(self, run_dir: Path, position: int, place: LogPosition | None, end: int) -> None:
        self._log_dir = RunPaths(run_dir).log_dir
        self._position = position
        self._place = place
        self._file = CheckpointAppender(run_dir, end)
        self._begun = end > 0
        self._log = RateLimitedLog("esper.aggregator", run=run_dir.name)

    def save_if_due(self, fold: HistoryFold, place: Callable[[], LogPosition]) -> None:
        """Save the state if a checkpoint is due; `place` returns where the log ends, as the state does."""
        if fold.due:
            self.save(fold, place)

    def save(self, fold: HistoryFold, place: Callable[[], LogPosition]) -> None:
        """Save the state unless it is saved already."""
        if fold.state.events_folded == self._position:
            return
        try:
            self._save(fold, place())
        except Exception as error:  # recording goes on without checkpoints
            fold.postpone()
            self._log.warn("cannot save a checkpoint of the fold", error=repr(error))

    def _save(self, fold: HistoryFold, place: LogPosition) -> None:
        state = fold.state
        head = CheckpointHead(
            fingerprint=fold_fingerprint(),
            place=place,
            log_checksum=log_checksum(self._log_dir, self._place, place),
            interval=fold.interval(),
            whole=not (state.gaps or state.duplicates or state.left_out),
            ranks=fold.progress.ranks,
            update=fold.progress.update,
            given=state.given,
        )
        self._file.append(head, state)
        self._position, self._place = state.events_folded, place
        fold.end_interval()
        if not self._begun:
            self._begun = True
            _remove_files_of_0_1(self._log_dir)


def _remove_files_of_0_1(log_dir: Path) -> None:
    """Remove the checkpoints of version 0.1, which had a file each."""
    for path in log_dir.glob("*.fold"):
        if path.stem.isdecimal():
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
