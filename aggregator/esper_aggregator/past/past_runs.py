"""The past of the runs of a runs directory, as far as their logs go."""

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from esper_aggregator.past.run_past import RunPast
from esper_aggregator.past.steps import Steps
from esper_bus.store.run_files import log_files
from esper_schemas.declarations import RunThresholds

_T = TypeVar("_T")
_KEPT = 4
"""Runs whose past is kept open: those that were asked about last."""


class PastRuns:
    """Opens the past of runs, by their logs alone: positions are those of live snapshots.

    `given` are thresholds that replace those of the runs.
    """

    def __init__(self, runs_dir: Path, given: RunThresholds | None = None) -> None:
        self._runs_dir = runs_dir
        self._given = given
        self._runs: OrderedDict[str, _OpenRun] = OrderedDict()

    def ask(self, run: str, question: Callable[[RunPast], Steps[_T]]) -> Steps[_T]:
        """Return the answer to a question about the past of a run, whose log has to exist.

        Questions about the same run wait for each other. Raises `OSError`.
        """
        known = self._runs.pop(run, None) or _OpenRun(self._runs_dir / run, self._given)
        self._runs[run] = known
        if len(self._runs) > _KEPT:
            self._runs.popitem(last=False)
        while known.busy:
            yield
        return (yield from known.ask(question))


class _OpenRun:
    """The past of one run, and how large its files were when it was opened."""

    def __init__(self, run_dir: Path, given: RunThresholds | None) -> None:
        self.busy = False
        self.past = RunPast(run_dir.name, run_dir, given)
        self._run_dir = run_dir
        self._sizes: dict[Path, int] | None = None

    def ask(self, question: Callable[[RunPast], Steps[_T]]) -> Steps[_T]:
        """Return the answer to a question; `busy` until then."""
        self.busy = True
        try:
            yield from self._refresh()
            return (yield from question(self.past))
        finally:
            self.busy = False

    def _refresh(self) -> Steps[None]:
        files = log_files(self._run_dir)
        sizes = {path: path.stat().st_size for path in files.logs}
        if sizes != self._sizes:
            self._sizes = None
            yield from self.past.open(files)
            self._sizes = sizes
