"""Opens the past of a run directory or a file, for commands and programs that ask at once."""

from pathlib import Path

from esper_aggregator.past.kept_past import PastCache
from esper_aggregator.past.run_past import RunPast
from esper_bus.mcap.reader import OnDamage, ignore_damage
from esper_bus.store.run_reader import readable_files
from esper_schemas.declarations import RunThresholds
from esper_schemas.source import OnProgress, ignore_progress


def open_past(
    path: Path,
    given: RunThresholds | None = None,
    on_damage: OnDamage = ignore_damage,
    on_progress: OnProgress = ignore_progress,
) -> RunPast:
    """Open the past of a run directory or an .mcap file as it is now.

    `given` are thresholds that replace those of the run. Raises `EsperError` if `path` cannot be read.
    """
    past = new_past(path, given, on_damage)
    for _ in past.open(readable_files(path)):
        on_progress(past.share_read)
    return past


def new_past(path: Path, given: RunThresholds | None = None, on_damage: OnDamage = ignore_damage) -> RunPast:
    """Return the past of a run directory or an .mcap file, which is not open yet.

    Raises `EsperError` if `path` cannot be read.
    """
    name = readable_files(path).run or path.resolve().stem
    run_dir = path if path.is_dir() else None
    return RunPast(name, run_dir, given, on_damage, PastCache(path, given))
