"""Reading a recorded run from its files, or from an aggregator."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from esper_lite.metric_series import MetricSeries, metric_series, question_about
from esper_lite.moments import is_at, moment_of, not_in_run
from esper_lite.run_sources import AggregatorSource, FileSource, RunSource
from esper_schemas.errors import InvalidArgument
from esper_schemas.events import Record, RunStarted
from esper_schemas.findings import Finding
from esper_schemas.history import (
    MOST_POINTS,
    AtEvent,
    Axis,
    Mark,
    Marks,
    MarksQuestion,
    Moment,
    PastSnapshot,
    Series,
    SnapshotQuestion,
)
from esper_schemas.snapshot import SanctumSnapshot

_END = AtEvent(1 << 62)


class Run:
    """A recorded run; created by `open_run`.

    Every method reads what there is at that moment, also while the run is being recorded.
    """

    def __init__(self, source: RunSource) -> None:
        self._source = source
        self._started: RunStarted | None = None

    def __repr__(self) -> str:
        return f"<Run {self.name} at {self._source.origin}>"

    @property
    def path(self) -> Path | None:
        """The run directory or .mcap file; None for a run of an aggregator."""
        origin = self._source.origin
        return origin if isinstance(origin, Path) else None

    @property
    def name(self) -> str:
        """The name of the run."""
        return self._source.name

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
        that cannot be read. An aggregator returns the events of its log.
        """
        return self._source.records()

    def snapshot(self, at: int | None = None) -> SanctumSnapshot:
        """Fold all events, or the first `at` of them, into the state that Sanctum displays.

        Raises `InvalidArgument` for a negative `at`, and `StorageError` as `records` does.
        """
        if at is not None and at < 0:
            raise InvalidArgument(f"at={at} is not a number of events; pass 0 or more, or None for all.")
        return self._at(_END if at is None else AtEvent(at)).snapshot

    def at(
        self,
        *,
        update: int | None = None,
        event: int | None = None,
        time: float | datetime | None = None,
    ) -> SanctumSnapshot:
        """The state of the run at one moment, as Sanctum displayed it then.

        update: when this update was complete; of one that a resumed run made again, the later one.
        event: after this number of events.
        time: after the last event until then, in seconds since 1970 or as a datetime.

        Raises `InvalidArgument` unless exactly one is given, and for a moment that the run does not have.
        """
        moment = moment_of(update, event, time)
        found = self._at(moment)
        if not is_at(found, moment):
            raise InvalidArgument(not_in_run(moment, self._marks()))
        return found.snapshot

    def series(
        self,
        metric: str,
        *,
        first: float | None = None,
        last: float | None = None,
        points: int = MOST_POINTS,
        x: Axis = "update",
    ) -> MetricSeries:
        """One metric over the run: all its values, or buckets of them if they are more than `points`.

        metric: its name in a snapshot, such as `kl_divergence` or `heads.op.entropy`, or that which the run
            has logged.
        first, last: the range on the axis, both included; default, the whole run.
        points: the most buckets; they have equal widths.
        x: what the series is over: "update", "env_step", or "time" in seconds since 1970.

        Raises `InvalidArgument` for a metric that the run has no values of.
        """
        answer = self._source.ask(question_about(metric, first, last, points, x))
        assert isinstance(answer, Series)
        return metric_series(self.name, metric, answer)

    def marks(self) -> tuple[Mark, ...]:
        """What happened in the run, in its order: onsets of findings, anomalies, checkpoints, restarts."""
        return self._marks().marks

    def findings(self) -> tuple[Finding, ...]:
        """The findings of `esper diagnose` after all events, the most severe first."""
        return self.snapshot().findings

    def _at(self, moment: Moment) -> PastSnapshot:
        answer = self._source.ask(SnapshotQuestion(moment))
        assert isinstance(answer, PastSnapshot)
        return answer

    def _marks(self) -> Marks:
        answer = self._source.ask(MarksQuestion())
        assert isinstance(answer, Marks)
        return answer


def open_run(source: Path | str, *, run: str | None = None, keys: Path | str | None = None) -> Run:
    """Open a run for reading: a run directory, one of its .mcap files, or a run of an aggregator.

    source: a path, or the address of an aggregator such as `tcp://127.0.0.1:5556`.
    run: one of the aggregator's runs; default, the newest.
    keys: path of a client's key file with the right to view.

    Raises `EsperError` if there is no run at `source` or it cannot be read.
    """
    if "://" in str(source):
        return Run(AggregatorSource(str(source), run, None if keys is None else Path(keys)))
    if run is not None or keys is not None:
        raise InvalidArgument(f"{source} is a path, which needs neither run nor keys; leave them out.")
    return Run(FileSource(Path(source)))
