"""The series of a run that is being recorded, from what its recording has: nothing is folded again."""

from esper_aggregator.fold.logged_steps import with_open_steps_closed
from esper_aggregator.fold.run_state import RunState
from esper_aggregator.series.index_files import FileFrame
from esper_aggregator.series.recorded_series import RecordedSeries, coverage_at
from esper_aggregator.series.row_block import Block, block_of
from esper_aggregator.series.run_series import RunSeries
from esper_aggregator.series.series_answer import answer_series
from esper_aggregator.series.stored_blocks import DamagedIndexError, block_at
from esper_schemas.history import Series, SeriesQuestion


class LiveSeries:
    """Answers questions about the series of a recording. Blocks that were read remain in memory."""

    def __init__(self, recorded: RecordedSeries) -> None:
        self._recorded = recorded
        self._blocks: dict[tuple[int, int, int], Block] = {}

    def answer(self, question: SeriesQuestion, state: RunState) -> Series | None:
        """Answer a question about all events of the state; None if the index cannot be used."""
        if not self._recorded.works:
            return None
        try:
            stored = self._stored(self._recorded.frames())
            rows = self._recorded.rows.copy()
            with_open_steps_closed(state, rows)
            coverage = coverage_at(state, rows, None)
            blocks = [*stored, block_of(rows)]
            return answer_series(RunSeries(blocks, coverage.processes, coverage.over_ranks), question)
        except (OSError, DamagedIndexError):
            return None

    def _stored(self, frames: list[FileFrame]) -> list[Block]:
        known, self._blocks = self._blocks, {}
        for found in frames:
            meta = found.frame.meta
            key = (meta.first, meta.rows, found.frame.kind)
            self._blocks[key] = known.get(key) or block_at(found)
        return list(self._blocks.values())
