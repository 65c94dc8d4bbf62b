"""`LocalHistory`: answers questions about a run from its files, in a thread of its own."""

import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TypeVar

from esper_aggregator.past.run_answers import RunAnswers
from esper_aggregator.past.steps import Steps
from esper_bus.mcap.reader import OnDamage, ignore_damage
from esper_schemas.declarations import RunThresholds
from esper_schemas.history import Answer, Question

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
        self._answers = RunAnswers(path, given, on_damage)
        self._questions: SimpleQueue[tuple[int, Question] | None] = SimpleQueue()
        self._arrived: SimpleQueue[tuple[int, Answer]] = SimpleQueue()
        self._number = 0
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
                yield self._arrived.get_nowait()
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
                self._arrived.put((number, self._finish(self._answers.answer(question))))

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
