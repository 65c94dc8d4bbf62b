"""The past of the runs of a runs directory, as far as their logs go."""

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

from esper_aggregator.past.run_answers import RunAnswers
from esper_aggregator.past.steps import Steps
from esper_schemas.declarations import RunThresholds
from esper_schemas.history import Answer, Question, Series, SeriesQuestion

SeriesOfRun = Callable[[str, SeriesQuestion], Series | None]
"""Answers a question about the series of a run by its name; None if it cannot."""
_KEPT = 4
"""Runs whose past is kept open: those that were asked about last."""


class PastRuns:
    """Answers questions about the runs of a directory. `given` are thresholds that replace those of the runs.

    Positions are those of live snapshots: they count the events of the log. `recorded` answers a question
    about the series of a run from its recording, or returns None.
    """

    def __init__(
        self, runs_dir: Path, given: RunThresholds | None = None, recorded: SeriesOfRun | None = None
    ) -> None:
        self._recorded = recorded
        self._runs_dir = runs_dir
        self._given = given
        self._runs: OrderedDict[str, _OpenRun] = OrderedDict()

    def answer(self, run: str, question: Question) -> Steps[Answer]:
        """Answer a question about a run that has a log; questions about the same run wait for each other."""
        if self._recorded is not None and isinstance(question, SeriesQuestion):
            series = self._recorded(run, question)
            if series is not None:
                return series
        known = self._runs.pop(run, None)
        if known is None:
            known = _OpenRun(RunAnswers(self._runs_dir / run, self._given, log_only=True))
        self._runs[run] = known
        if len(self._runs) > _KEPT:
            self._runs.popitem(last=False)
        return (yield from known.answer(question))


class _OpenRun:
    """A run about which one question is answered at a time."""

    def __init__(self, answers: RunAnswers) -> None:
        self._answers = answers
        self._busy = False

    def answer(self, question: Question) -> Steps[Answer]:
        while self._busy:
            yield
        self._busy = True
        try:
            return (yield from self._answers.answer(question))
        finally:
            self._busy = False
