"""The series of a run in the files of this machine, read as far as they are written."""

import contextlib
from collections.abc import Sequence
from pathlib import Path

from esper_aggregator.fold.fold import fold
from esper_aggregator.fold.logged_steps import with_open_steps_closed
from esper_aggregator.fold.observer import ObservedRunState
from esper_aggregator.fold.run_state import RunState
from esper_aggregator.fold.state_codec import fold_fingerprint
from esper_aggregator.past.checkpoint_check import CheckedCheckpoints
from esper_aggregator.past.steps import Steps
from esper_aggregator.past.stream_numbers import next_seqs
from esper_aggregator.series.built_index import BuiltIndex, end_of, read_cached
from esper_aggregator.series.collected_rows import CollectedRows
from esper_aggregator.series.frames import Coverage
from esper_aggregator.series.index_files import FileFrame, coverage_of, read_index
from esper_aggregator.series.recorded_series import CHUNK_ROWS, coverage_at, frames_of_log
from esper_aggregator.series.row_block import Block, block_of
from esper_aggregator.series.run_series import RunSeries
from esper_aggregator.series.series_answer import answer_series
from esper_aggregator.series.stored_blocks import DamagedIndexError, block_at
from esper_bus.mcap.reader import ignore_damage
from esper_bus.paths import RunPaths
from esper_bus.store.growing_run import Beginning, GrowingRun
from esper_bus.store.log_position import LogPosition
from esper_bus.store.run_files import RunFiles, log_files
from esper_bus.store.run_reader import readable_files, run_name
from esper_schemas.history import Series, SeriesQuestion

_STEP_EVENTS = 64


class LocalSeries:
    """Answers questions about the series of a run directory or a log file, also while it grows.

    Rows come from the index beside the log, from an index that was built before, or from the log; the rest
    of the log is folded, from a checkpoint under any thresholds, on which no value depends. Raises
    `EsperError` if there is no log at `path`. With `log_only`, the spools of a run directory are left out.
    """

    def __init__(self, path: Path, *, log_only: bool = False) -> None:
        self._path = path
        self._log_only = log_only
        self._name = path.name if log_only else run_name(path)
        self._complete: LogPosition | None = None
        self._run: GrowingRun | None = None
        self._series: RunSeries | None = None  # what was found for one question serves the next one
        self._take([], Coverage())

    def answer(self, question: SeriesQuestion) -> Steps[Series]:
        """Answer a question about all events that the files have now, in steps of a few milliseconds.

        Raises `EsperError` or `OSError` for files that cannot be read.
        """
        try:
            yield from self._refresh()
            return self._answer(question)
        except DamagedIndexError:
            yield from self._build()
            return self._answer(question)

    def _answer(self, question: SeriesQuestion) -> Series:
        if self._series is None:
            self._series = self._all_rows()
        return answer_series(self._series, question)

    def _all_rows(self) -> RunSeries:
        coverage, blocks = self._coverage, [*self._stored, *self._built.blocks]
        if self._complete is None:
            unfinished = self._rows.copy()
            with_open_steps_closed(self._state, unfinished)
            blocks.append(block_of(unfinished))
            coverage = coverage_at(self._state, unfinished, None)
        return RunSeries(blocks, coverage.processes, coverage.over_ranks)

    def _refresh(self) -> Steps[None]:
        """Read what the files have by now."""
        if self._complete is not None and self._complete == end_of(self._files()):
            return
        if self._run is None or self._run.replaced:
            yield from self._open()
        else:
            self._run.refresh()
            yield from self._read_new()

    def _files(self) -> RunFiles:
        return log_files(self._path) if self._log_only else readable_files(self._path)

    def _open(self) -> Steps[None]:
        if (yield from self._open_index()):
            yield from self._read_new()
        elif cached := read_cached(self._path, self._files()):
            self._take(cached, coverage_of(cached))
            self._complete, self._run = self._coverage.place, None
        else:
            yield from self._build()

    def _open_index(self) -> Steps[bool]:
        """Begin with the index beside the log, and the last checkpoint of the fold that it reaches."""
        if not self._path.is_dir():
            return False
        logs = log_files(self._path).logs
        checkpoints = CheckedCheckpoints(self._path, any_thresholds=True)
        checked = yield from checkpoints.refresh(logs)
        frames = self._frames(logs, checked[-1].events if checked else 0)
        coverage = coverage_of(frames)
        for found in reversed(checked):
            state = checkpoints.reader.state(found) if found.events <= coverage.records else None
            if state is not None and state.run == self._name:
                self._take(frames, coverage, state)
                begin = Beginning.after(found.head.place, self._path, next_seqs(state, state.run))
                self._run = GrowingRun(self._path, ignore_damage, begin, log_only=self._log_only)
                return True
        return False

    def _frames(self, logs: Sequence[Path], most_records: int) -> list[FileFrame]:
        """Return the frames of the index beside the log that reach no further than an undamaged log."""
        try:
            frames = read_index(RunPaths(self._path).log_dir, fold_fingerprint())
        except OSError:
            return []
        within = [found for found in frames if found.frame.meta.coverage.records <= most_records]
        return frames_of_log(within, logs)

    def _take(self, frames: Sequence[FileFrame], coverage: Coverage, state: RunState | None = None) -> None:
        """Begin with the rows of an index, and a state of the fold that lies before its end."""
        self._stored: list[Block] = [block_at(found) for found in frames]
        self._coverage = coverage
        self._built = BuiltIndex()
        self._rows = CollectedRows(coverage.processes, after=coverage.records)
        self._state = ObservedRunState(state or RunState(run=self._name), self._rows)
        self._complete = None
        self._series = None

    def _build(self) -> Steps[None]:
        """Build an index from the beginning of the log, and keep it if it has become long."""
        files = self._files()
        end = end_of(files)
        self._take([], Coverage())
        self._run = GrowingRun(self._path, log_only=self._log_only)
        yield from self._read_new()
        if self._built.blocks and end is not None and end == end_of(self._files()):
            self._keep(end)

    def _keep(self, end: LogPosition) -> None:
        rows = self._rows.copy()
        with_open_steps_closed(self._state, rows)
        coverage = coverage_at(self._state, rows, end)
        blocks = self._built.blocks
        with contextlib.suppress(OSError):
            self._built.keep(self._path, block_of(rows), coverage)
        self._stored, self._built, self._series = list(blocks), BuiltIndex(), None

    def _read_new(self) -> Steps[None]:
        while self._run and (records := self._run.read(_STEP_EVENTS)):
            self._series = None
            for record in records:
                fold(self._state, record.decoded())
            if len(self._rows) >= CHUNK_ROWS:
                self._built.append(block_of(self._rows), coverage_at(self._state, self._rows, None))
                self._rows.clear()
            yield
