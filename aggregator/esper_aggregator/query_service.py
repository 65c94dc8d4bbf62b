"""Answers questions about recorded runs piece by piece, so that recording never waits for them."""

import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from pathlib import Path

from esper_aggregator.checkpoints import find
from esper_aggregator.fold.fold import fold
from esper_aggregator.fold.projection import project
from esper_aggregator.fold.run_state import RunState
from esper_aggregator.recording import newest_first
from esper_bus.names import is_name
from esper_bus.paths import RunPaths
from esper_bus.protocol import query_messages as q
from esper_bus.store.log_pages import LogPage, LogPages
from esper_schemas.codec import encode_snapshot

MAX_JOBS = 64
"""Questions that wait at most; further ones are refused."""
WORK_S = 0.005
"""Time for answers in one turn of the aggregator."""
_LOGS_KEPT = 16
_MAX_RUNS = 1000
_BUSY = "The aggregator has too many questions to answer; ask again later."

Work = Iterator[q.Answer | None]


class QueryDesk:
    """Takes questions, and gives answers when they are found; `health` tells how the aggregator is."""

    def __init__(self, runs_dir: Path, health: Callable[[], q.Health]) -> None:
        self._runs_dir = runs_dir
        self._health = health
        self._jobs: deque[tuple[bytes, int, Work]] = deque()
        self._logs: OrderedDict[str, LogPages] = OrderedDict()

    @property
    def busy(self) -> bool:
        """Whether questions wait for their answers."""
        return bool(self._jobs)

    def ask(self, peer: bytes, question: q.Question) -> None:
        """Take a question; all work on it is done, and may fail, in `answers`."""
        work = self._work(question.query)
        if len(self._jobs) >= MAX_JOBS:
            work = iter([q.Refusal(_BUSY, temporary=True)])
        self._jobs.append((peer, question.number, work))

    def answers(self) -> Iterator[tuple[bytes, int, q.Answer]]:
        """Answers that were found within a few milliseconds of work, each peer's in turn."""
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
                return _once(lambda: q.Runs(self._run_names()))
            case q.HealthQuery():
                return _once(self._health)
            case q.EventsQuery(run, first, count):
                return self._events(run, first, count)
            case q.SnapshotQuery(run, events):
                return self._snapshot(run, events)

    def _run_names(self) -> tuple[str, ...]:
        logs = newest_first(path for path in self._runs_dir.glob("*/log") if is_name(path.parent.name))
        return tuple(path.parent.name for path in logs[:_MAX_RUNS])

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
        found = find(self._runs_dir / run, events)
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

    def _log(self, run: str) -> LogPages | None:
        """The log of a run; None if there is none. A name that is no name is never a path."""
        if not is_name(run) or not RunPaths(self._runs_dir / run).log_dir.is_dir():
            return None
        log = self._logs.pop(run, None) or LogPages(self._runs_dir / run)
        self._logs[run] = log
        if len(self._logs) > _LOGS_KEPT:
            self._logs.popitem(last=False)
        return log


def _once(find: Callable[[], q.Answer]) -> Work:
    """Work of one piece."""
    yield find()


def _step(work: Work) -> q.Answer | None:
    try:
        return next(work)
    except Exception as error:  # whatever a file can do to its reader: no question may end the process
        return q.Refusal(f"The log cannot be read ({error}); `esper log verify` says more.")


def _no_such_run(run: str) -> q.Refusal:
    return q.Refusal(f"There is no log of a run {run!r} here; ask for the runs.")
