"""The runs of a runs directory, the newest first; other processes may delete them at any moment."""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from esper_bus.names import is_name


def newest_run(runs_dir: Path) -> Path | None:
    """Return the directory of the run whose log was written last, or `None` if there is no run."""
    logs = (path for log_dir in runs_dir.glob("*/log") for path in _log_files(log_dir) if path.is_file())
    return next((path.parent.parent for path in newest_first(logs)), None)


def run_names(runs_dir: Path, limit: int) -> list[str]:
    """Return the names of the runs that have a log, the one whose log was begun last first."""
    logs = newest_first(path for path in runs_dir.glob("*/log") if is_name(path.parent.name))
    return [path.parent.name for path in logs[:limit]]


def newest_first(paths: Iterable[Path]) -> list[Path]:
    """Return the paths that exist, the one modified last first."""
    times: dict[Path, float] = {}
    for path in paths:
        with suppress(OSError):
            times[path] = path.stat().st_mtime
    return sorted(times, key=times.__getitem__, reverse=True)


def _log_files(log_dir: Path) -> list[Path]:
    try:
        return list(log_dir.glob("*.mcap"))
    except OSError:  # deleted since it was listed
        return []
