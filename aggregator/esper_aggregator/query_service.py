"""Answers queries about recorded runs in small steps, so that they never delay recording."""

import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from pathlib import Path

from esper_aggregator.past.past_runs import PastRuns, SeriesOfRun
from esper_aggregator.run_listing import run_names
from esper_bus.names import is_name
from esper_bus.paths import RunPaths
from esper_bus.protocol import query_messages as q
from esper_bus.store.log_pages import LogPages
from esper_schemas import history
from esper_schemas.codec import encode_snapshot
from esper_schemas.declarations import RunThresholds

MAX_JOBS = 64
MAX_JOBS_OF_PEER = 16
"""Queries that may wait for their answers, and those of one client; further ones are refused."""
WORK_S = 0.005
"""Time for answers in one turn of the aggregator."""
_KEPT_LOGS = 16
_MAX_RUNS = 1000
_UNREADABLE = "The log cannot be read; `esper log verify` says more."
_BUSY = "The aggregator has too many queries to answer; ask again later."

Work = Iterator[q.Answer | None]
"""The steps of answering a query: `None` after each of them, and the answer after the last."""


class QueryService:
    """Accepts queries and yields their answers; `health` returns the answer to a query for the health.

    `given` are thresholds that replace those of the runs, `only` limits the answers to one run, `recorded`
    answers questions about the series of runs that are being recorded.
    """

    def __init__(
        self,
        runs_dir: Path,
        health: Callable[[], q.AggregatorHealth],
        given: RunThresholds | None = None,
        only: str | None = None,
        recorded: SeriesOfRun | None = None,
    ) -> None:
        self._runs_dir = runs_dir
        self._only = only
        self._health = health
        self._jobs: deque[tuple[bytes, int, Work]] = deque()
        self._logs: OrderedDict[str, LogPages] = OrderedDict()
        self._past = PastRuns(runs_dir, given, recorded)

    @property
    def busy(self) -> bool:
        """Whether queries wait for their answers."""
        return bool(self._jobs)

    def submit(self, peer: bytes, question: q.Question) -> None:
        """Accept a query; all work on it is done in `answers`, which also returns errors."""
        work = self._work(question.query)
        of_peer = sum(asked_by == peer for asked_by, _, _ in self._jobs)
        if len(self._jobs) >= MAX_JOBS or of_peer >= MAX_JOBS_OF_PEER:
            work = iter([q.Refusal(_BUSY, temporary=True)])
        self._jobs.append((peer, question.number, work))

    def answers(self) -> Iterator[tuple[bytes, int, q.Answer]]:
        """Work on the queries in turn for a few milliseconds; yield peer, number and answer when found."""
        deadline = time.monotonic() + WORK_S
        while self._jobs and time.monotonic() < deadline:
            peer, number, work = self._jobs.popleft()
            answer = _step(work)
            if answer is None:
                self._jobs.append((peer, number, work))
            else:
                yield peer, number, answer

    def _work(self, query: q.Query) -> Work:
        match query:
            case q.RunsQuery():
                return _one_step(lambda: q.Runs(self._names()))
            case q.HealthQuery():
                return _one_step(self._health)
            case q.EventsQuery(run, first, count):
                return self._events(run, first, count)
            case q.SnapshotQuery(run, events):
                return self._snapshot(run, events)
            case q.NoteQuery():
                return _one_step(lambda: q.Refusal("No notes are taken here; ask the aggregator of the run."))
            case q.HistoryQuery(run, question):
                return self._history(run, question)

    def _events(self, run: str, first: int, count: int) -> Work:
        log = self._log(run)
        if log is None:
            yield _no_such_run(run)
            return
        for page in log.read(first, min(count, q.PAGE_EVENTS), q.PAGE_BYTES):
            yield None if page is None else q.EventsPage.of(run, first, page.records, at_end=page.at_end)

    def _snapshot(self, run: str, events: int) -> Work:
        if not self._exists(run):
            yield _no_such_run(run)
            return
        found = yield from self._past.answer(run, history.SnapshotQuestion(history.AtEvent(events)))
        if isinstance(found, history.PastSnapshot):
            yield q.PastSnapshot(run, found.place.events, encode_snapshot(found.snapshot))
        else:
            yield q.Refusal(found.text if isinstance(found, history.Unanswered) else _UNREADABLE)

    def _history(self, run: str, question: history.Question) -> Work:
        if not self._exists(run):
            may_begin = self._only is None and is_name(run)
            yield q.HistoryAnswer.of(history.Unanswered(_no_such_run(run).text, temporary=may_begin))
            return
        yield q.HistoryAnswer.of((yield from self._past.answer(run, question)))

    def _exists(self, run: str) -> bool:
        """Return whether there is a log of a run. Only a valid name is used as a path."""
        asked = self._only in (None, run) and is_name(run)
        return asked and RunPaths(self._runs_dir / run).log_dir.is_dir()

    def _names(self) -> tuple[str, ...]:
        names = run_names(self._runs_dir, _MAX_RUNS)
        return tuple(name for name in names if self._only in (None, name))

    def _log(self, run: str) -> LogPages | None:
        """Return the log of a run, or `None` if there is none."""
        if not self._exists(run):
            return None
        log = self._logs.pop(run, None) or LogPages(self._runs_dir / run)
        self._logs[run] = log
        if len(self._logs) > _KEPT_LOGS:
            self._logs.popitem(last=False)
        return log


def _one_step(answer: Callable[[], q.Answer]) -> Work:
    yield answer()


def _step(work: Work) -> q.Answer | None:
    try:
        return next(work)
    except Exception as error:  # a damaged file can raise anything, and no query may end the process
        return q.Refusal(f"The log cannot be read ({error}); `esper log verify` says more.")


def _no_such_run(run: str) -> q.Refusal:
    return q.Refusal(f"There is no log of a run {run!r} here; ask for the runs.")
