"""Builds the missing index of a run that is being recorded, from the beginning of its log."""

from pathlib import Path

from esper_aggregator.fold.fold import fold
from esper_aggregator.fold.observer import ObservedRunState
from esper_aggregator.fold.run_state import RunState
from esper_aggregator.fold.state_codec import fold_fingerprint
from esper_aggregator.past.steps import Steps
from esper_aggregator.series.collected_rows import CollectedRows
from esper_aggregator.series.index_writer import IndexWriter
from esper_aggregator.series.recorded_series import CHUNK_ROWS, coverage_at
from esper_aggregator.series.row_block import block_of
from esper_bus.paths import RunPaths
from esper_bus.store.growing_run import GrowingRun

_STEP_EVENTS = 64


class RebuiltSeries:
    """Folds a log while it grows; the index can be used once its end is known. Raises as `GrowingRun`."""

    def __init__(self, run_dir: Path) -> None:
        self.rows = CollectedRows()
        self.writer = IndexWriter(RunPaths(run_dir).log_dir, fold_fingerprint(), [])
        self._state = ObservedRunState(RunState(run=run_dir.name), self.rows)
        self._run = GrowingRun(run_dir, log_only=True)

    @property
    def position(self) -> int:
        """The number of events that were folded."""
        return self._state.events_folded

    def advance(self) -> Steps[None]:
        """Fold what the log has by now. Raises `OSError` or `DamagedIndexError` as `IndexWriter` does."""
        while records := self._run.read(_STEP_EVENTS):
            for record in records:
                fold(self._state, record.decoded())
            if len(self.rows) >= CHUNK_ROWS:
                self.writer.append(block_of(self.rows), coverage_at(self._state, self.rows, None))
                self.rows.clear()
            yield
        self._run.refresh()
