"""How far the files of a log are in a run already, as the recorded events show.

The position in a file is the number of its values in the run, so that no other state has to survive a kill.
"""

from bisect import bisect_left
from dataclasses import dataclass, field
from functools import lru_cache
from math import isnan
from pathlib import Path

from esper_bus.paths import RunPaths
from esper_bus.store.run_files import mcap_files
from esper_bus.store.run_reader import read_records, refuse_unreadable
from esper_schemas.aliases import alias_of
from esper_schemas.errors import Damaged, RunExists, StorageError
from esper_schemas.events import RunStarted, ScalarsLogged

IMPORTED_FROM = "imported_from"
"""The setting in `RunStarted.config` that names the log from which a run was made."""
_REPEATED = "values_repeated:"


@dataclass(slots=True)
class FilePosition:
    """How many values of a file are in the run.

    `last` is the name and the value of the last one, None where it is not known; `step` is its step, of which
    the file has had `values_of_step` in a row.
    """

    values: int = 0
    last: tuple[str, float] | None = None
    step: int | None = None
    values_of_step: int = 0

    def add(self, step: int | None, values: dict[str, float]) -> None:
        """Note that values are in the run."""
        self.values += len(values)
        self.values_of_step = len(values) + (self.values_of_step if step == self.step else 0)
        self.step = step
        name = next(reversed(values))
        self.last = (name, values[name])

    def go_back(self, count: int) -> None:
        """Note that the last values will be recorded again."""
        self.values -= count
        self.values_of_step, self.last = 0, None

    def may_be_last(self, name: str, value: float) -> bool:
        """Whether a value that was read again is the last one, as far as it is known; NaN equals NaN."""
        if self.last is None:
            return True
        return self.last[0] == name and (self.last[1] == value or (isnan(self.last[1]) and isnan(value)))


@dataclass(slots=True)
class Recorded:
    """What a run has: the position in each file by its key, and the number of updates.

    `update_step` is the step of the last update, `update_steps` has those of all that count, as far as they
    have steps; `latest_ns` is the latest time.
    """

    files: dict[str, FilePosition] = field(default_factory=dict)
    exists: bool = False
    updates: int = 0
    update_step: int | None = None
    update_steps: list[int] = field(default_factory=list)
    latest_ns: int = 0

    def add(self, event: ScalarsLogged) -> None:
        """Note that an event is in the run."""
        values = {name: value for name, value in event.values.items() if value is not None}
        if not values:
            return
        position = self.files.get(event.source)
        if position is None:
            position = self.files[event.source] = FilePosition()
        position.add(event.step, values)
        if (event.step is None or event.step != self.update_step) and any(map(_makes_update, values)):
            self.update_step = event.step
            self.updates += 1
            if event.step is not None:
                self.update_steps.append(event.step)

    def restart_before(self, event: ScalarsLogged) -> int | None:
        """The number of updates after which a training resumes that goes back to an earlier step."""
        step, last = event.step, self.update_step
        if step is None or last is None or step >= last or len(self.update_steps) != self.updates:
            return None
        return bisect_left(self.update_steps, step) if any(map(_makes_update, event.values)) else None

    def repeat_step(self, step: int | None) -> dict[str, int]:
        """Go back to before the last step, which is incomplete.

        A process that continues begins with a new update, so that all values of the step have to be recorded
        again. Returns the number of values to be repeated of each file, as settings for `RunStarted`.
        """
        again = {key: at.values_of_step for key, at in self.files.items() if at.step == step}
        for key, count in again.items():
            self.files[key].go_back(count)
        self.updates -= self.update_step == step
        self._forget_later_updates()
        return {f"{_REPEATED}{key}": count for key, count in again.items()}

    def start(self, event: RunStarted) -> None:
        """Note that a process began, possibly by repeating a step."""
        if event.resumed_from is None:
            return
        self.updates = event.resumed_from
        self._forget_later_updates()
        for name, count in event.config.items():
            position = self.files.get(name.removeprefix(_REPEATED))
            if name.startswith(_REPEATED) and position is not None and isinstance(count, int):
                position.go_back(count)

    def _forget_later_updates(self) -> None:
        self.update_step = None
        del self.update_steps[self.updates :]


def recorded_position(run_dir: Path) -> Recorded:
    """Read the position from a run. Raises `RunExists` for a run that was not made by an importer.

    Raises `Damaged` if events are missing, since the position is not known then, and `StorageError`.
    """
    recorded = Recorded()
    if not _has_events(run_dir):
        return recorded
    recorded.exists = True
    counts: dict[int, tuple[int, int]] = {}
    imported = False
    for record in read_records(run_dir, refuse_unreadable()):
        events, _ = counts.get(record.epoch, (0, 0))
        counts[record.epoch] = events + 1, record.seq + 1
        recorded.latest_ns = max(recorded.latest_ns, record.emitted_ns)
        if isinstance(record.event, RunStarted):
            recorded.start(record.event)
            imported = imported or IMPORTED_FROM in record.event.config
        elif isinstance(record.event, ScalarsLogged):
            recorded.add(record.event)
    if counts and not imported:
        raise RunExists(f"{run_dir} was not made from a log; choose another name for the run.")
    if any(events != end for events, end in counts.values()):
        raise Damaged(
            f"Events of {run_dir} are missing, so that it cannot be continued; choose another name for the "
            "run."
        )
    return recorded


def _has_events(run_dir: Path) -> bool:
    paths = RunPaths(run_dir)
    try:
        return bool(mcap_files(paths.spool_dir) or mcap_files(paths.log_dir))
    except OSError as error:
        raise StorageError(f"Cannot list {run_dir} ({error.strerror}); make it readable.") from error


@lru_cache(maxsize=8192)
def _makes_update(name: str) -> bool:
    alias = alias_of(name)
    return alias is not None and alias.makes_update
