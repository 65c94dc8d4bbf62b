"""What is found in the training logs of other people, which are not part of the repository."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from esper_aggregator.fold.fold import fold
from esper_aggregator.fold.projection import project
from esper_aggregator.fold.run_state import RunState
from esper_bus.store.run_reader import read_records
from esper_lite.importing.import_logs import import_logs
from esper_schemas.errors import EsperError
from esper_schemas.events import Record
from esper_schemas.findings import Finding


def field_log_lines(directory: Path | None) -> Iterator[str]:
    """One line for each finding about each log in a directory, from its first update with it."""
    if directory is None:
        yield "Field logs: skipped; name their directory with --field-logs."
        return
    yield f"== field logs in {directory.name}"
    for path in sorted(directory.iterdir()):
        if path.suffix == ".csv" or "tfevents" in path.name:
            yield from _lines_of(path)


def _lines_of(path: Path) -> Iterator[str]:
    try:
        updates, found, last = first_findings(path)
    except EsperError as error:
        yield f"{path.name}: not imported ({error})"
        return
    yield f"{path.name}: {updates} updates, {len(found)} findings"
    for update, finding in found:
        ended = "" if finding.rule in last else ", ended"
        yield f"  {update}: {finding.severity} {finding.rule} since {finding.since_update}{ended}"


def first_findings(path: Path) -> tuple[int, list[tuple[int, Finding]], set[str]]:
    """Import a log, and fold it update by update.

    Returns the number of updates, the findings with the updates at which they began, and the rules that
    still apply at the end. Raises `EsperError` for a log that cannot be imported.
    """
    with TemporaryDirectory() as runs_dir:
        run_dir = next(iter(import_logs(path, Path(runs_dir)))).run_dir
        records = list(read_records(run_dir)) if run_dir.exists() else []
    return found_in(records)


def found_in(records: Iterable[Record]) -> tuple[int, list[tuple[int, Finding]], set[str]]:
    """Fold a run update by update; return what `first_findings` does."""
    state, before, update = RunState(), set[str](), 0
    found: list[tuple[int, Finding]] = []
    for record in records:
        fold(state, record)
        snapshot = project(state)
        update = snapshot.tamiyo.last_update
        now = {finding.rule for finding in snapshot.findings}
        found += [(update, finding) for finding in snapshot.findings if finding.rule not in before]
        before = now
    return update, found, before
