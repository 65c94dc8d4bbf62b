"""Opens the past of a run directory or a file, for commands and programs that ask at once."""

from pathlib import Path

from esper_aggregator.past.kept_past import PastCache
from esper_aggregator.past.run_past import RunPast
from esper_aggregator.past.steps import finish
from esper_bus.mcap.reader import OnDamage, ignore_damage
from esper_bus.store.run_reader import readable_files
from esper_schemas.declarations import RunThresholds


def open_past(path: Path, given: RunThresholds | None = None, on_damage: OnDamage = ignore_damage) -> RunPast:
    """Open the past of a run directory or an .mcap file as it is now.

    `given` are thresholds that replace those of the run. Raises `EsperError` if `path` cannot be read.
    """
    files = readable_files(path)
    run_dir = path if path.is_dir() else None
    past = RunPast(files.run or path.resolve().stem, run_dir, given, on_damage, PastCache(path, given))
    finish(past.open(files))
    return past
