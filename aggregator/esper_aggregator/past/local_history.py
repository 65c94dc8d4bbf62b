"""`LocalHistory`: answers questions about a run from its files, in a thread of its own."""

import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, TypeVar

from esper_aggregator.past.run_past import RunPast
from esper_aggregator.past.steps import Steps
from esper_bus.mcap.reader import OnDamage, ignore_damage
from esper_bus.store.run_files import RunFiles
from esper_bus.store.run_reader import readable_files
from esper_schemas.declarations import RunThresholds
from esper_schemas.errors import EsperError
from esper_schemas.history import (
    Answer,
    MarksQuestion,
    Question,
    Series,
    SeriesQuestion,
    SnapshotQuestion,
    Unanswered,
)

if TYPE_CHECKING:
    from esper_aggregator.series.local_series import LocalSeries

_T = TypeVar("_T")


class _ClosedError(Exception):
    """The history was closed while it worked."""


class LocalHistory:
    """The past of a run directory or an .mcap file, as a `History`.

    The thread folds the run when the first question arrives, and again when its files have changed.
    `given` are thresholds that replace those of the run. Errors are answers.
    """

    def __init__(
        self, path: Path, given: RunThresholds | None = None, on_damage: OnDamage = ignore_damage
    ) -> None:
        self._path = path
        self._given = given
        self._on_damage = on_damage
        self._questions: SimpleQueue[tuple[int, Question] | None] = SimpleQueue()
        self._answers: SimpleQueue[tuple[int, Answer]] = SimpleQueue()
        self._number = 0
        self._past: RunPast | None = None
        self._series: LocalSeries | None = None
        self._sizes: dict[Path, int] = {}
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._work, name="history", daemon=True)
        self._thread.start()

    def ask(self, question: Question) -> int:
        """Ask a question; returns the number that its answer will have."""
        self._number += 1
        self._questions.put((self._number, question))
        return self._number

    def answers(self) -> Iterator[tuple[int, Answer]]:
        """Yield the answers that have arrived since the last call, each with its number."""
        while True:
            try:
                yield self._answers.get_nowait()
            except Empty:
                return

    def close(self) -> None:
        """End the thread after its present step; questions that wait are not answered."""
        self._closed.set()
        self._questions.put(None)

    def _work(self) -> None:
        """Answer one question after the other, until closed."""
        with suppress(_ClosedError):
            while (asked := self._questions.get()) is not None:
                number, question = asked
                self._answers.put((number, self._answer(question)))

    def _answer(self, question: Question) -> Answer:
        try:
            match question:
                case SnapshotQuestion(moment):
                    return self._finish(self._opened().snapshot(moment))
                case MarksQuestion():
                    return self._opened().marks()
                case SeriesQuestion():
                    return self._finish(self._series_answer(question))
        except EsperError as error:
            return Unanswered(str(error))
        except Exception as error:  # damaged or vanished files can raise anything, and no question ends this
            if isinstance(error, _ClosedError):
                raise
            return Unanswered(f"The run cannot be read ({error}); `esper log verify` says more.")

    def _opened(self) -> RunPast:
        """Return the past of the run as its files are now."""
        files = readable_files(self._path)
        sizes = _sizes(files)
        if self._past is None:
            run = files.run or self._path.resolve().stem
            run_dir = self._path if self._path.is_dir() else None
            self._past = RunPast(run, run_dir, self._given, self._on_damage)
        if sizes != self._sizes:
            self._finish(self._past.open(files))
            self._sizes = sizes
        return self._past

    def _series_answer(self, question: SeriesQuestion) -> Steps[Series]:
        from esper_aggregator.series.local_series import LocalSeries  # imports NumPy, which takes long

        if self._series is None:
            self._series = LocalSeries(self._path)
        return (yield from self._series.answer(question))

    def _finish(self, steps: Steps[_T]) -> _T:
        """Do all steps; raises `_ClosedError` as soon as the history is closed."""
        while True:
            if self._closed.is_set():
                raise _ClosedError
            try:
                next(steps)
            except StopIteration as end:
                result: _T = end.value
                return result


def _sizes(files: RunFiles) -> dict[Path, int]:
    return {path: path.stat().st_size for path in (*files.logs, *files.spools)}
