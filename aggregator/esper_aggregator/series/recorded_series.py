"""Writes the index of a run's series beside its log, while the log is recorded."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from esper_aggregator.fold.run_state import RunState
from esper_aggregator.fold.state_codec import fold_fingerprint
from esper_aggregator.series.collected_rows import CollectedRows
from esper_aggregator.series.frames import Coverage
from esper_aggregator.series.index_files import FileFrame, coverage_of, read_index
from esper_bus.paths import RunPaths
from esper_bus.rate_limited_log import RateLimitedLog
from esper_bus.store.log_position import LogPosition
from esper_bus.store.run_files import log_files

if TYPE_CHECKING:
    from esper_aggregator.series.index_writer import IndexWriter

CHUNK_ROWS = 1024
"""The number of rows that are written as a chunk."""
TAIL_S = 5.0
"""The time after which rows are written that are fewer than a chunk."""

Place = Callable[[], LogPosition]
"""Returns the end of the log."""


class RecordedSeries:
    """The rows of a recording that its index lacks, and the writer of the index.

    `covered` is the number of records of the log whose rows the index has; `rows` observe the fold of those
    that follow. Errors are logged, and end the writing of the index: readers then build another one.
    """

    def __init__(self, run_dir: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._run_dir = run_dir
        self._clock = clock
        self._log = RateLimitedLog("esper.aggregator", run=run_dir.name)
        self._frames = self._usable_frames()
        self.covered = coverage_of(self._frames).records
        self.rows = CollectedRows(coverage_of(self._frames).processes, after=self.covered)
        self._writer: IndexWriter | None = None
        self._works = True
        self._new_rows = 0
        self._written_s = clock()

    def begin(self, position: int) -> None:
        """Begin with the fold at a position; if the index lacks rows before it, nothing is written."""
        if position > self.covered:
            self._stop("rows before the last checkpoint are missing")

    @property
    def works(self) -> bool:
        """Whether the index and `rows` together have all rows of the recording."""
        return self._works

    def frames(self) -> list[FileFrame]:
        """Return the frames of the index that `rows` follow. Raises `OSError`."""
        if self._writer is None:
            return self._frames
        index = read_index(RunPaths(self._run_dir).log_dir, fold_fingerprint())
        return [found for found in index if found.frame.meta.first < self._writer.rows]

    def resume(self, rows: CollectedRows, writer: "IndexWriter") -> None:
        """Continue with an index that was built anew, and the rows that it lacks."""
        self.rows.become(rows)
        self._writer, self._works, self._new_rows = writer, True, 0

    def flushed(self, state: RunState, place: Place) -> None:
        """Write the rows if they are enough for a chunk, or were collected some time ago."""
        if len(self.rows) >= CHUNK_ROWS:
            self.write(state, place)
        elif len(self.rows) > self._new_rows and self._clock() - self._written_s >= TAIL_S:
            self.write_tail(state, place)

    def write(self, state: RunState, place: Place) -> None:
        """Write the rows as a chunk, and forget them."""
        self._write(state, place, for_good=True)

    def write_tail(self, state: RunState, place: Place) -> None:
        """Write the rows for the time being."""
        self._write(state, place, for_good=False)

    def close(self, state: RunState, place: Place) -> None:
        """Write the rows that were not written yet."""
        if len(self.rows) > self._new_rows:
            self.write_tail(state, place)

    def _write(self, state: RunState, place: Place, *, for_good: bool) -> None:
        if not self._works:
            self.rows.clear()
            return
        from esper_aggregator.series.row_block import block_of  # imports NumPy, which takes long

        try:
            writer = self._opened()
            block, coverage = block_of(self.rows), coverage_at(state, self.rows, place())
            if for_good:
                writer.append(block, coverage)
                self.rows.clear()
            else:
                writer.write_tail(block, coverage)
        except Exception as error:  # recording continues without the index
            self._stop(repr(error))
        self._new_rows, self._written_s = len(self.rows), self._clock()

    def _opened(self) -> "IndexWriter":
        from esper_aggregator.series.index_writer import IndexWriter

        if self._writer is None:
            log_dir = RunPaths(self._run_dir).log_dir
            self._writer = IndexWriter(log_dir, fold_fingerprint(), self._frames)
            self._frames = []
        return self._writer

    def _usable_frames(self) -> list[FileFrame]:
        try:
            frames = read_index(RunPaths(self._run_dir).log_dir, fold_fingerprint())
            return frames_of_log(frames, log_files(self._run_dir).logs)
        except OSError:
            return []

    def give_up(self) -> None:
        """Write nothing more, as the log lacks events that were folded."""
        self._works = False
        self.rows.clear()

    def _stop(self, reason: str) -> None:
        self.give_up()
        self._log.warn("cannot write the index of the series", reason=reason)


def coverage_at(state: RunState, rows: CollectedRows, place: LogPosition | None) -> Coverage:
    """Return what an index knows that has all rows of a state."""
    over_ranks: dict[str, str] = {
        name: spec.over_ranks for name, spec in state.metric_specs.items() if spec.over_ranks != "mean"
    }
    return Coverage(
        records=state.events_folded, place=place, processes=tuple(rows.processes), over_ranks=over_ranks
    )


def frames_of_log(frames: Sequence[FileFrame], logs: Sequence[Path]) -> list[FileFrame]:
    """Return the first frames, up to the last one whose end is in this log."""
    for count in range(len(frames), 0, -1):
        place = frames[count - 1].frame.meta.coverage.place
        if place is not None and place.files and place.is_in(logs):
            return list(frames[:count])
    return []
