"""Answers any question about the past of one run, from its files as they are when it is asked."""

from pathlib import Path
from typing import TYPE_CHECKING

from esper_aggregator.past.kept_past import PastCache
from esper_aggregator.past.run_past import RunPast
from esper_aggregator.past.steps import Steps
from esper_bus.mcap.reader import OnDamage, ignore_damage
from esper_bus.store.run_files import RunFiles, log_files
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
    from esper_aggregator.past.local_series import LocalSeries


class RunAnswers:
    """The past of a run directory or an .mcap file; one question at a time.

    With `log_only`, the spools of a run directory are left out, so that positions are those of the live
    snapshots of an aggregator. `given` are thresholds that replace those of the run.
    """

    def __init__(
        self,
        path: Path,
        given: RunThresholds | None = None,
        on_damage: OnDamage = ignore_damage,
        *,
        log_only: bool = False,
    ) -> None:
        self._path = path
        self._given = given
        self._on_damage = on_damage
        self._log_only = log_only
        self._past: RunPast | None = None
        self._sizes: dict[Path, int] = {}
        self._series: LocalSeries | None = None

    def answer(self, question: Question) -> Steps[Answer]:
        """Answer a question in steps; an error is an answer."""
        try:
            match question:
                case SnapshotQuestion(moment):
                    past = yield from self._opened()
                    return (yield from past.snapshot(moment))
                case MarksQuestion():
                    past = yield from self._opened()
                    return past.marks()
                case SeriesQuestion():
                    return (yield from self._series_answer(question))
        except EsperError as error:
            return Unanswered(str(error))
        except Exception as error:  # damaged or vanished files can raise anything, and no question ends this
            return Unanswered(f"The run cannot be read ({error}); `esper log verify` says more.")

    def _opened(self) -> Steps[RunPast]:
        """Return the past of the run as its files are now."""
        files = self._files()
        sizes = {path: path.stat().st_size for path in (*files.logs, *files.spools)}
        past = self._past = self._past or self._new(files)
        if sizes != self._sizes:
            self._sizes = {}  # until it is open
            yield from past.open(files)
            self._sizes = sizes
        return past

    def _files(self) -> RunFiles:
        return log_files(self._path) if self._log_only else readable_files(self._path)

    def _new(self, files: RunFiles) -> RunPast:
        cache = None if self._log_only else PastCache(self._path, self._given)
        if not self._path.is_dir():
            run = files.run or self._path.resolve().stem
            return RunPast(run, None, self._given, self._on_damage, cache)
        run = self._path.name if self._log_only else files.run or self._path.resolve().name
        return RunPast(run, self._path, self._given, self._on_damage, cache)

    def _series_answer(self, question: SeriesQuestion) -> Steps[Series]:
        from esper_aggregator.past.local_series import LocalSeries  # imports NumPy, which takes long

        if self._series is None:
            self._series = LocalSeries(self._path, log_only=self._log_only)
        return (yield from self._series.answer(question))
