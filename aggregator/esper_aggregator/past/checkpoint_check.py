"""Which checkpoints of a run can stand for the events before them."""

from collections.abc import Sequence
from pathlib import Path

from esper_aggregator.past.checkpoint_file import CheckpointReader, StoredCheckpoint, log_checksum, usable
from esper_aggregator.past.steps import Steps
from esper_bus.paths import RunPaths
from esper_schemas.declarations import RunThresholds


class CheckedCheckpoints:
    """The checkpoints of a run up to which its log is undamaged, lacks no event and has none twice.

    Every byte of the log before a checkpoint is compared with what it was, once: folding a log that was
    damaged since gives another state.
    """

    def __init__(
        self, run_dir: Path, given: RunThresholds | None = None, *, any_thresholds: bool = False
    ) -> None:
        self.reader = CheckpointReader(run_dir, given, any_thresholds=any_thresholds)
        self._log_dir = RunPaths(run_dir).log_dir
        self._checked: list[StoredCheckpoint] = []

    def refresh(self, logs: Sequence[Path]) -> Steps[list[StoredCheckpoint]]:
        """Return the checkpoints that can be used now, in the order of their positions."""
        found = usable(self.reader.refresh(), logs)
        known = self._known(found)
        checked = found[:known]
        for checkpoint in found[known:]:
            if not checkpoint.head.whole or not self._is_unchanged(checkpoint, checked):
                break
            checked.append(checkpoint)
            yield
        self._checked = checked
        return list(checked)

    def _known(self, found: Sequence[StoredCheckpoint]) -> int:
        """Return how many of the first checkpoints were checked before."""
        for index, (before, now) in enumerate(zip(self._checked, found, strict=False)):
            if before is not now:
                return index
        return min(len(self._checked), len(found))

    def _is_unchanged(self, checkpoint: StoredCheckpoint, before: Sequence[StoredCheckpoint]) -> bool:
        head = checkpoint.head
        begin = before[-1].head.place if before else None
        try:
            return log_checksum(self._log_dir, begin, head.place) == head.log_checksum
        except OSError:
            return False
