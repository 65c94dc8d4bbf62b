"""`import_logs`: makes runs from the logs in a file or below a directory."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from esper_bus.host.file_lock import FileLock, LockHeldError
from esper_bus.names import check_name
from esper_lite.importing.event_files import EventFileReader
from esper_lite.importing.event_sinks import EventSink, SpoolSink
from esper_lite.importing.log_files import Format, LogFile, find_logs, format_of, without_progress
from esper_lite.importing.mapping import Mapping
from esper_lite.importing.recorded_position import recorded_position
from esper_lite.importing.rows import Facts, NotRead
from esper_lite.importing.run_import import RunImport, Totals
from esper_lite.importing.sources import Source
from esper_schemas.errors import InvalidArgument, Refused, StorageError

NO_MAPPING = Mapping()
PROGRESS_LEFT_OUT = "tables with the numbers of the event files beside them"

_MAX_NAME = 80
_GENERIC = {"progress", "monitor", "events"}


class PlannedRun(NamedTuple):
    """A run that is to be made: its name, the directory or file of its log, and the files."""

    run: str
    origin: Path
    logs: list[LogFile]


class Imported(NamedTuple):
    """What became of one log: the run, what was written, the number of runs' files, and what was not read."""

    run_dir: Path
    origin: Path
    totals: Totals
    not_read: NotRead


def import_logs(
    path: Path, runs_dir: Path, name: str | None = None, mapping: Mapping = NO_MAPPING
) -> Iterator[Imported]:
    """Import a log file, or each directory with log files at `path` or below it, as one run each.

    A run that was imported before gets what was added since. name: of the run; default that of the file or
    directory. Raises `EsperError`.
    """
    planned = planned_runs(path, name, tables=mapping is not NO_MAPPING)
    if not planned:
        raise InvalidArgument(
            f"{path} has no log with a known name (tfevents, progress.csv, monitor.csv, .wandb); name a "
            "file, or give a mapping for other tables."
        )
    for plan in planned:
        run_dir = runs_dir / plan.run
        with exclusive(run_dir):
            yield _import_one(plan, run_dir, mapping)


def planned_runs(path: Path, name: str | None, *, tables: bool = False) -> list[PlannedRun]:
    """The runs that a file or directory gives. Raises `EsperError`.

    tables: CSV and JSON lines files of any name count, too.
    """
    if not path.is_dir():
        run = check_name("run", name) if name else _name_of_file(path)
        return [PlannedRun(run, path, [LogFile(path, format_of(path))])]
    root = check_name("run", name) if name else run_name(path.resolve().name)
    found = find_logs(path, tables=tables)
    return [PlannedRun(name_below(root, path, folder), folder, logs) for folder, logs in found.items()]


def run_name(text: str) -> str:
    """A name for a run from that of a file or directory."""
    return re.sub(r"[^A-Za-z0-9._+@-]+", "-", text).strip("-._+@")[:_MAX_NAME] or "log"


def name_below(root: str, path: Path, directory: Path) -> str:
    """The name of the run of a directory at or below `path`, whose own run has the name `root`."""
    parts = directory.relative_to(path).parts
    return root if not parts else run_name(f"{root}-{'-'.join(parts)}")


def run_import(
    plan: PlannedRun, run_dir: Path, open_sink: Callable[[], EventSink], *, refuse_rewritten: bool
) -> RunImport:
    """Prepare a run, without its files. Raises `EsperError` for one that cannot be continued."""
    recorded = recorded_position(run_dir)
    return RunImport(plan.run, plan.origin, recorded, open_sink, refuse_rewritten=refuse_rewritten)


@contextmanager
def exclusive(run_dir: Path) -> Iterator[None]:
    """Hold the lock of a run's importers. Raises `Refused` if another process holds it."""
    try:
        lock = FileLock(run_dir / "import.lock")
    except LockHeldError as error:
        raise Refused(f"Process {error.pid} is importing into {run_dir} now; stop it, or wait.") from error
    except OSError as error:
        raise StorageError(
            f"Cannot write to {run_dir} ({error.strerror}); choose another runs directory."
        ) from error
    try:
        yield
    finally:
        lock.release(remove=True)
        _remove_if_empty(run_dir)


def _import_one(plan: PlannedRun, run_dir: Path, mapping: Mapping) -> Imported:
    target = run_import(plan, run_dir, lambda: SpoolSink(plan.run, run_dir), refuse_rewritten=True)
    logs = plan.logs
    if any(log.is_progress for log in logs) and any(map(_has_scalars, logs)):
        logs = without_progress(logs)
        target.not_read.add(PROGRESS_LEFT_OUT, "progress.csv")
    target.sources = [Source(log, target.facts, target.not_read, mapping) for log in logs]
    try:
        target.read(final=True)
    except BaseException:
        target.finish("interrupted", f"not all of {plan.origin} was imported")
        raise
    target.finish("completed", f"imported from {plan.origin}")
    return Imported(run_dir, plan.origin, target.totals, target.not_read)


def _has_scalars(log: LogFile) -> bool:
    if log.format is not Format.EVENTS:
        return False
    try:
        rows = EventFileReader(log.path, Facts(), NotRead()).rows(final=False)
        return next(rows, None) is not None
    except OSError:
        return False


def _name_of_file(path: Path) -> str:
    """The stem of a file, or its directory's name where the file's is always the same."""
    stem = run_name(path.name.split(".")[0])
    return run_name(path.resolve().parent.name) if stem in _GENERIC else stem


def _remove_if_empty(run_dir: Path) -> None:
    """Remove the directory of a run in which nothing was recorded."""
    try:
        run_dir.rmdir()
    except OSError:  # it is not empty
        return
