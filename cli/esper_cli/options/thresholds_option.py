"""`--thresholds FILE`: bounds that replace those of the catalogue, and of the runs that have their own."""

from collections.abc import Iterator
from pathlib import Path

from esper_bus.store.run_reader import read_records
from esper_cli.options.option import Option
from esper_lite.thresholds_file import thresholds_of_file
from esper_schemas.declarations import RunThresholds
from esper_schemas.events import RunStarted

THRESHOLDS = Option("TOML file whose bounds replace those of the run and of the catalogue", metavar="FILE")


def given_thresholds(file: Path | None, run: Path | None = None) -> RunThresholds | None:
    """Return the thresholds of a file, None without one. Raises `InvalidArgument` with the line of a mistake.

    The file may name the heads that `run`, a recorded one, declares.
    """
    if file is None:
        return None
    heads = () if run is None else tuple(next(_declared_heads(run), ()))
    return RunThresholds(thresholds_of_file(file, heads), heads)


def _declared_heads(run: Path) -> Iterator[list[str]]:
    """Yield the names of the heads that each process of a run declares at its beginning."""
    for record in read_records(run):
        if isinstance(record.event, RunStarted):
            yield [spec.name for spec in record.event.heads]
