"""`LogFollower`: records what other programs write into a log directory, while they write it."""

import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple

from esper_bus.auth.keys import ClientKeys
from esper_bus.net.ship import ship
from esper_lite.importing.event_sinks import LiveSink
from esper_lite.importing.import_logs import (
    NO_MAPPING,
    PROGRESS_LEFT_OUT,
    Imported,
    PlannedRun,
    exclusive,
    planned_runs,
    run_import,
)
from esper_lite.importing.log_files import Format, LogFile, without_progress
from esper_lite.importing.mapping import Mapping
from esper_lite.importing.run_import import RunImport
from esper_lite.importing.sources import Source
from esper_schemas.errors import EsperError

POLL_S = 0.2
"""Interval between two looks at the files; an update is shown within a second of its flush."""
_SCAN_S = 0.5
_SCAN_SHARE = 9.0
"""A large directory is listed at most a tenth of the time."""
_PATIENCE_S = 5.0
Outcome = Literal["completed", "interrupted"]
EVENTS_LEFT_OUT = "event files that appeared beside a table with the same numbers"
WANDB_LEFT_OUT = "files of W&B, which are written 32 KiB at a time; import them afterwards"


class Destination(NamedTuple):
    """Where runs are recorded, and the address and key of the aggregator that gets their events."""

    runs_dir: Path
    ingest: str | None = None
    keys: ClientKeys | None = None


class LogFollower:
    """Follows a directory that may not exist yet, or a file; each directory with logs is a run.

    `quiet_s` is the time since the last new value. Close it at the end.
    """

    def __init__(
        self, path: Path, destination: Destination, name: str | None = None, mapping: Mapping = NO_MAPPING
    ) -> None:
        self._path, self._destination = path, destination
        self._name, self._mapping = name, mapping
        self._runs: dict[Path, RunImport] = {}
        self._left_out: set[Path] = set()
        self._refused: set[Path] = set()
        self._problems: list[str] = []
        self._locks = ExitStack()
        self._scan_at = 0.0
        self._changed_at = time.monotonic()

    @property
    def quiet_s(self) -> float:
        """The seconds since the last new value, or since the start."""
        return time.monotonic() - self._changed_at

    def poll(self) -> list[Imported]:
        """Record what was added; returns the runs that were found by this call. Raises `EsperError`."""
        now = time.monotonic()
        found: list[Imported] = []
        if now >= self._scan_at:
            found = [self._imported(run) for run in self._scan()]
            took_s = time.monotonic() - now
            self._scan_at = now + max(_SCAN_S, took_s * _SCAN_SHARE)
        if sum(run.read(final=False) for run in self._runs.values()):
            self._changed_at = time.monotonic()
        return found

    def take_problems(self) -> list[str]:
        """Why runs that were found since the last call are not recorded."""
        problems, self._problems = self._problems, []
        return problems

    def close(self, outcome: Outcome, reason: str) -> list[Imported]:
        """Record the end of all runs; returns what became of each."""
        with self._locks:
            for run in self._runs.values():
                run.finish(outcome, reason)
        return [self._imported(run) for run in self._runs.values()]

    def _scan(self) -> list[RunImport]:
        """Look for new files; returns the runs that are new."""
        if not self._path.exists():
            return []
        plans = planned_runs(self._path, self._name, tables=self._mapping is not NO_MAPPING)
        new = [run for plan in plans if (run := self._begin_if_new(plan))]
        for plan in plans:
            if plan.origin in self._runs:
                self._add_files(self._runs[plan.origin], plan.logs)
        return new

    def _begin_if_new(self, plan: PlannedRun) -> RunImport | None:
        """Begin a run; one that cannot be recorded must not end those that are."""
        if plan.origin in self._runs or plan.origin in self._refused:
            return None
        try:
            return self._begin(plan)
        except EsperError as error:
            if not self._runs:
                raise
            self._refused.add(plan.origin)
            self._problems.append(str(error))
            return None

    def _begin(self, plan: PlannedRun) -> RunImport:
        run_dir = self._destination.runs_dir / plan.run
        open_sink = partial(LiveSink, plan.run, run_dir, self._destination.ingest, self._destination.keys)
        with ExitStack() as lock:
            lock.enter_context(exclusive(run_dir))
            run = run_import(plan, run_dir, open_sink, refuse_rewritten=False)
            if run.totals.existed:
                self._deliver_earlier(run_dir)
            self._locks.enter_context(lock.pop_all())
        self._runs[plan.origin] = run
        return run

    def _deliver_earlier(self, run_dir: Path) -> None:
        """Send what earlier processes recorded: after events of this one, it would come too late."""
        _, ingest, keys = self._destination
        if ingest is None:
            return
        try:
            for _ in ship(run_dir, ingest, keys, patience_s=_PATIENCE_S):
                continue
        except EsperError as error:
            self._problems.append(f"Events that were recorded before were not sent: {error}")

    def _add_files(self, run: RunImport, logs: list[LogFile]) -> None:
        known = {source.path for source in run.sources}
        used = _without_same_numbers(run, logs)
        for log in logs:
            if log.path in known or log.path in self._left_out:
                continue
            if log not in used or log.format is Format.WANDB:
                self._left_out.add(log.path)
                run.not_read.add(_reason(log), log.path.name)
                continue
            run.sources.append(Source(log, run.facts, run.not_read, self._mapping))

    def _imported(self, run: RunImport) -> Imported:
        run_dir = self._destination.runs_dir / run.run
        return Imported(run_dir, run.origin, run.totals, run.not_read)


def _without_same_numbers(run: RunImport, logs: list[LogFile]) -> list[LogFile]:
    """Leave out SB3's table beside event files, or these if they appear after rows of the table were read."""
    if not any(log.format is Format.EVENTS for log in logs):
        return logs
    if any(source.log.is_progress and source.passed for source in run.sources):
        return [log for log in logs if log.format is not Format.EVENTS]
    run.sources = [source for source in run.sources if not source.log.is_progress]
    return without_progress(logs)


def _reason(log: LogFile) -> str:
    if log.format is Format.WANDB:
        return WANDB_LEFT_OUT
    return PROGRESS_LEFT_OUT if log.is_progress else EVENTS_LEFT_OUT
