"""The series of a run in the files of this machine, read as far as they are written."""

from collections.abc import Generator
from pathlib import Path

from esper_aggregator.fold.fold import fold
from esper_aggregator.fold.logged_steps import with_open_steps_closed
from esper_aggregator.fold.observer import ObservedRunState
from esper_aggregator.fold.run_state import RunState
from esper_aggregator.series.collected_rows import CollectedRows
from esper_aggregator.series.row_block import RowBlock, block_of
from esper_aggregator.series.run_series import RunSeries
from esper_aggregator.series.series_answer import answer_series
from esper_bus.store.growing_run import GrowingRun
from esper_bus.store.run_reader import run_name
from esper_schemas.history import Series, SeriesQuestion

_BLOCK_ROWS = 1024
_STEP_EVENTS = 64


class LocalSeries:
    """Answers questions about the series of a run directory or a log file, also while it grows.

    Raises `EsperError` if there is no log at `path`.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._begin()

    def answer(self, question: SeriesQuestion) -> Generator[None, None, Series]:
        """Answer a question about all events that the files have now, in steps of a few milliseconds.

        Raises `EsperError` or `OSError` for files that cannot be read.
        """
        if self._run.replaced:
            self._begin()
        self._run.refresh()
        yield from self._read_new()
        unfinished = self._rows.copy()
        with_open_steps_closed(self._state, unfinished)
        blocks = [*self._blocks, block_of(unfinished)]
        over_ranks = {name: spec.over_ranks for name, spec in self._state.metric_specs.items()}
        return answer_series(RunSeries(blocks, unfinished.processes, over_ranks), question)

    def _begin(self) -> None:
        self._run = GrowingRun(self._path)
        self._rows = CollectedRows()
        self._state = ObservedRunState(RunState(run=run_name(self._path)), self._rows)
        self._blocks: list[RowBlock] = []

    def _read_new(self) -> Generator[None, None, None]:
        while records := self._run.read(_STEP_EVENTS):
            for record in records:
                fold(self._state, record.decoded())
            if len(self._rows) >= _BLOCK_ROWS:
                self._blocks.append(block_of(self._rows))
                self._rows.clear()
            yield
