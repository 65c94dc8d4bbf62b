"""Answers queries about recorded runs in small steps, so that they never delay recording."""

import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from pathlib import Path

from esper_aggregator.fold.fold import fold
from esper_aggregator.fold.projection import project
from esper_aggregator.fold.run_state import RunState
from esper_aggregator.fold_checkpoints import find_checkpoint
from esper_aggregator.run_listing import run_names
from esper_bus.names import is_name
from esper_bus.paths import RunPaths
from esper_bus.protocol import query_messages as q
from esper_bus.store.log_pages import LogPage, LogPages
from esper_schemas.codec import encode_snapshot

MAX_JOBS = 64
"""Queries that may wait for their answers; further ones are refused."""
WORK_S = 0.005
"""Time for answers in one turn of the aggregator."""
_KEPT_LOGS = 16
_MAX_RUNS = 1000
_BUSY = "The aggregator has too many queries to answer; ask again later."

Work = Iterator[q.Answer | None]
"""The steps of answering a query: `None` after each of them, and the answer after the last."""


class QueryService:
    """Accepts queries and yields their answers; `health` returns the answer to a query for the health.

    `only` limits the answers to one run.
    """

    def __init__(
        self, runs_dir: Path, health: Callable[[], q.AggregatorHealth], only: str | None = None
    ) -> None:
        self._runs_dir = runs_dir
        self._only = only
        self._health = health
        self._jobs: deque[tuple[bytes, int, Work]] = deque()
        self._logs: OrderedDict[str, LogPages] = OrderedDict()

    @property
    def busy(self) -> bool:
        """Whether queries wait for their answers."""
        return bool(self._jobs)

    def submit(self, peer: bytes, question: q.Question) -> None:
        """Accept a query; all work on it is done in `answers`, which also returns errors."""
        work = self._work(question.query)
        if len(self._jobs) >= MAX_JOBS:
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

    def _events(self, run: str, first: int, count: int) -> Work:
        log = self._log(run)
        if log is None:
            yield _no_such_run(run)
            return
        for page in log.read(first, min(count, q.PAGE_EVENTS), q.PAGE_BYTES):
            yield None if page is None else q.EventsPage.of(run, first, page.records, at_end=page.at_end)

    def _snapshot(self, run: str, events: int) -> Work:
        log = self._log(run)
        if log is None:
            yield _no_such_run(run)
            return
        found = find_checkpoint(self._runs_dir / run, events)
        state = found[0] if found else RunState(run=run)
        page = LogPage(0, [], at_end=False)
        while state.events_folded < events and not page.at_end:
            rest = min(q.PAGE_EVENTS, events - state.events_folded)
            for step in log.read(state.events_folded, rest, q.PAGE_BYTES):
                yield None
                page = step or page
            for record in page.records:
                fold(state, record.decoded())
        yield q.PastSnapshot(run, state.events_folded, encode_snapshot(project(state)))

    def _names(self) -> tuple[str, ...]:
        names = run_names(self._runs_dir, _MAX_RUNS)
        return tuple(name for name in names if self._only in (None, name))

    def _log(self, run: str) -> LogPages | None:
        """Return the log of a run, or `None` if there is none. Only a valid name is used as a path."""
        if (
            self._only not in (None, run)
            or not is_name(run)
            or not RunPaths(self._runs_dir / run).log_dir.is_dir()
        ):
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
