"""Reading a recorded run from its files."""

from collections.abc import Iterator
from pathlib import Path

from esper_bus.store.run_reader import read_records, refuse_unreadable, run_name
from esper_schemas.errors import InvalidArgument
from esper_schemas.events import Record, RunStarted
from esper_schemas.findings import Finding
from esper_schemas.snapshot import SanctumSnapshot


class Run:
    """A recorded run; created by `open_run`.

    Every method reads the current contents of the files, also while the run is being recorded.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._name = run_name(path)
        self._started: RunStarted | None = None

    def __repr__(self) -> str:
        return f"<Run {self._name} at {self._path}>"

    @property
    def path(self) -> Path:
        """The run directory or .mcap file."""
        return self._path

    @property
    def name(self) -> str:
        """The name of the run."""
        return self._name

    @property
    def started(self) -> RunStarted | None:
        """The first `RunStarted` of the run, None if there is none yet."""
        if self._started is None:
            events = (record.event for record in self.records())
            self._started = next((event for event in events if isinstance(event, RunStarted)), None)
        return self._started

    @property
    def config(self) -> dict[str, str | int | float | bool | None]:
        """The settings in `RunStarted.config`; empty if there are none."""
        return {} if self.started is None else dict(self.started.config)

    def records(self) -> Iterator[Record]:
        """Iterate over all events, each once: the log in its order, then what only a spool has, by time.

        Damaged parts of files are skipped; `esper log verify` reports them. Raises `StorageError` for a file
        that cannot be read.
        """
        return read_records(self._path, refuse_unreadable())

    def snapshot(self, at: int | None = None) -> SanctumSnapshot:
        """Fold all events, or the first `at` of them, into the state that Sanctum displays.

        Raises `InvalidArgument` for a negative `at`, and `StorageError` as `records` does.
        """
        from esper_aggregator.fold.projection import project  # only some programs fold
        from esper_aggregator.replay import fold_at, fold_path

        if at is None:
            return project(fold_path(self._path, on_damage=refuse_unreadable()))
        if at < 0:
            raise InvalidArgument(f"at={at} is not a number of events; pass 0 or more, or None for all.")
        return project(fold_at(self._path, at, on_damage=refuse_unreadable()))

    def findings(self) -> tuple[Finding, ...]:
        """The findings of `esper diagnose` after all events, the most severe first."""
        return self.snapshot().findings


def open_run(path: Path | str) -> Run:
    """Open a run directory, or one of its .mcap files, for reading.

    Raises `EsperError` if there is no run at `path` or it cannot be read.
    """
    return Run(Path(path))
