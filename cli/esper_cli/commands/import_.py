"""`esper import PATH`: make runs from the logs of other libraries."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from esper_bus import paths
from esper_cli.options.command import Command
from esper_cli.options.option import Option, RunsDir
from esper_cli.output.echo import echo
from esper_lite.importing.import_logs import NO_MAPPING, Imported, import_logs
from esper_lite.importing.mapping import Mapping, read_mapping

RunName = Annotated[
    str | None,
    Option("name of the run (default: that of the file or directory)", "recording", metavar="NAME"),
]
MappingFile = Annotated[
    Path | None,
    Option("TOML file that names the columns of step and time, and what other names mean", metavar="FILE"),
]


@dataclass(frozen=True, kw_only=True)
class ImportOptions:
    """Make runs from the logs of other libraries, with their times and steps.

    Reads TensorBoard's event files, progress.csv and monitor.csv of Stable-Baselines3, offline runs of W&B,
    and tables as CSV or JSON lines. Each directory with logs becomes one run; importing it again adds what
    was written since.
    """

    path: Annotated[Path, Option("log file, or directory of logs", positional=True, metavar="PATH")]
    name: RunName = None
    mapping: MappingFile = None
    runs_dir: RunsDir = field(default_factory=paths.default_runs_dir)


def run(options: ImportOptions) -> int:
    """Import, and print what became of each log."""
    mapping = mapping_of(options.mapping)
    for imported in import_logs(options.path, options.runs_dir, options.name, mapping):
        echo(*report(imported))
    return 0


def mapping_of(path: Path | None) -> Mapping:
    """The mapping in a file, or the one that changes nothing. Raises `InvalidArgument`."""
    return NO_MAPPING if path is None else read_mapping(path)


def report(imported: Imported) -> list[str]:
    """The lines about one run: what was added, and what was not understood."""
    totals, run_dir = imported.totals, imported.run_dir
    if totals.rows:
        added = f"{_number(totals.rows, 'row')} and {_number(totals.values, 'value')} of {imported.origin}"
        lines = [f"{run_dir}: {added}; {_number(totals.updates, 'update')} in all"]
    elif totals.existed:
        lines = [f"{run_dir}: has all that is in {imported.origin}"]
    else:
        lines = [f"{imported.origin}: contains no values; no run was made"]
    return [*lines, *(f"  {line}" for line in imported.not_read.lines())]


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


COMMAND = Command(ImportOptions, run)
