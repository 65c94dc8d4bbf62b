"""The aggregator process: one thread that receives, logs, acknowledges, folds, publishes and answers."""

import logging
import os
import time
from collections import OrderedDict, deque
from contextlib import closing
from functools import partial
from itertools import groupby
from operator import attrgetter
from pathlib import Path

from esper_aggregator.notes import NoteService
from esper_aggregator.publish_schedule import SNAPSHOT_INTERVAL_S, PublishSchedule
from esper_aggregator.query_service import WORK_S, QueryService
from esper_aggregator.recording import Recording
from esper_aggregator.run_listing import newest_run
from esper_bus.addresses import Endpoints, for_runs_dir, ipc_path
from esper_bus.host.aggregator_lock import AggregatorLock
from esper_bus.host.file_system import network_warning
from esper_bus.net.server import BusServer
from esper_bus.protocol.query_messages import AggregatorHealth, NoteQuery
from esper_bus.rate_limited_log import LogMessage
from esper_bus.records import RawRecord, StreamKey
from esper_bus.store.adoption import Adoption
from esper_schemas.declarations import RunThresholds
from esper_schemas.errors import EsperError, StorageError
from esper_schemas.history import Series, SeriesQuestion

MAX_ROWS_BYTES = 64 * 1024 * 1024
"""The most bytes of rows that the indexes of all runs together lack, in memory."""

MOST_CHARTED = 4
"""The number of runs whose indexes remain in memory, as far as they were read."""

LINK_INTERVAL_S = 1.0
"""The longest time between two looks at the link counters of a run that is not published."""

_log = logging.getLogger("esper.aggregator")


class Aggregator:
    """Records every run of a runs directory and publishes its snapshots.

    If `endpoints` are tcp, the ipc addresses of the runs directory are served too, so that clients on this
    machine find the aggregator there. `keys` is a directory of `esper keys`, for tcp. With `idle_exit_s`, it
    exits after that many seconds without a trainer, a viewer or a spool to adopt. `thresholds` replace those
    of all runs.

    Raises `Refused` if another aggregator owns the directory or an address, another `EsperError` if an
    address cannot be bound or the keys cannot be used.
    """

    def __init__(
        self,
        runs_dir: Path,
        endpoints: Endpoints,
        *,
        idle_exit_s: float | None = None,
        keys: Path | None = None,
        thresholds: RunThresholds | None = None,
    ) -> None:
        self._runs_dir = runs_dir
        self._endpoints = endpoints
        self._local = for_runs_dir(runs_dir) if ipc_path(endpoints.ingest) is None else None
        self._keys = keys
        self._idle_exit_s = idle_exit_s
        self._thresholds = thresholds
        self._epoch = 0
        self._recordings: dict[str, Recording] = {}
        self._charted: OrderedDict[str, Recording] = OrderedDict()
        self._adoption = Adoption(runs_dir)
        self._notes = NoteService(runs_dir, self._recording)
        self._unwritten: deque[list[RawRecord]] = deque()  # each list belongs to one run
        self._problem = ""
        self._stopping = False
        self._started_at = time.monotonic()
        self._links_at = self._needed_at = self._started_at
        self._schedule = PublishSchedule(self._started_at)
        self._last_message_ns: int | None = None

    def stop(self) -> None:
        """End `serve` after its present turn; safe to call from a signal handler."""
        self._stopping = True

    def serve(self) -> None:
        """Serve until `stop` is called, or until the aggregator was idle for long enough."""
        with (
            AggregatorLock(self._runs_dir),
            closing(BusServer(self._endpoints, self._next_seqs, keys=self._keys, local=self._local)) as bus,
        ):
            self._epoch = bus.agg_epoch
            health = partial(self._health, bus)
            queries = QueryService(self._runs_dir, health, self._thresholds, recorded=self._series_of)
            self._open_newest_run()
            self._log_start()
            try:
                while not (self._stopping or self._is_idle(bus)):
                    self._turn(bus, queries)
                self._publish(bus)
            finally:
                self._close()

    def _turn(self, bus: BusServer, queries: QueryService) -> None:
        """Receive events, log and acknowledge them, publish what changed and answer queries."""
        busy = self._adoption.busy or queries.busy or self._rebuild_series()
        received = bus.receive(0 if busy else SNAPSHOT_INTERVAL_S)
        written = self._record([*received, *self._adopted(bus), *self._notes.records(self._problem)])
        if written:
            bus.acknowledge()
            self._adoption.mark_recorded()
            self._publish_events(bus)
        self._publish_if_due(bus)
        for peer, number, answer in self._notes.answers(written=written):
            bus.answer(peer, number, answer)
        self._answer(bus, queries)

    def _open_newest_run(self) -> None:
        """Open the newest run, which viewers see until a trainer connects."""
        run_dir = newest_run(self._runs_dir)
        try:
            if run_dir is not None:
                self._recording(run_dir.name)
        except StorageError as error:
            _log.error(LogMessage("cannot read the log of the newest run", reason=str(error)))

    def _log_start(self) -> None:
        if remote := network_warning(self._runs_dir):
            _log.warning(LogMessage("the log is not on a local disk", reason=remote))
        served = {"runs_dir": str(self._runs_dir), "ingest": self._endpoints.ingest}
        _log.info(LogMessage("aggregator ready", **served))

    def _recording(self, run: str) -> Recording:
        if run not in self._recordings:
            self._recordings[run] = Recording(self._runs_dir / run, self._epoch, self._thresholds)
        return self._recordings[run]

    def _next_seqs(self, run: str) -> dict[StreamKey, int]:
        """Return the next sequence number of each stream of a run, from which on its log has no events."""
        return self._recording(run).next_seqs

    def _adopted(self, bus: BusServer) -> list[RawRecord]:
        """Return the next events of the spools of dead trainers, unless the log cannot be written."""
        if self._problem:
            return []
        records = self._adoption.next_records(time.monotonic())
        try:
            return bus.adopt(records) if records else []
        except (EsperError, OSError) as error:
            self._adoption.give_up(str(error))
            return []

    def _record(self, records: list[RawRecord]) -> bool:
        """Write events to the logs of their runs; return whether all of them may be acknowledged.

        While a log cannot be written, events wait here; trainers stop sending once their credit is used up.
        """
        self._unwritten.extend(list(group) for _, group in groupby(records, attrgetter("stream.run")))
        try:
            while self._unwritten:
                self._recording(self._unwritten[0][0].stream.run).extend(self._unwritten[0])
                self._unwritten.popleft()
            for recording in self._recordings.values():
                recording.flush()
            self._limit_rows()
        except EsperError as error:
            self._report_problem(str(error))
            return False
        self._problem = ""
        return True

    def _limit_rows(self) -> None:
        """Write the rows of the runs that have most of them, while those of all runs are too many."""
        recordings = self._recordings.values()
        while sum(recording.unwritten_rows_bytes for recording in recordings) > MAX_ROWS_BYTES:
            max(recordings, key=lambda recording: recording.unwritten_rows_bytes).write_rows()

    def _rebuild_series(self) -> bool:
        """Build missing indexes for a few milliseconds; return whether more is to be done."""
        until = time.monotonic() + WORK_S
        return any(recording.rebuild_series(until) for recording in self._recordings.values())

    def _series_of(self, run: str, question: SeriesQuestion) -> Series | None:
        recording = self._recordings.get(run)
        if recording is None:
            return None
        self._charted.pop(run, None)
        self._charted[run] = recording
        if len(self._charted) > MOST_CHARTED:
            self._charted.popitem(last=False)[1].forget_series()
        return recording.series(question)

    def _report_problem(self, problem: str) -> None:
        """Log a problem once, however often it recurs."""
        if problem != self._problem:
            _log.error(LogMessage("cannot write the log; no event is acknowledged", reason=problem))
        self._problem = problem

    def _publish_events(self, bus: BusServer) -> None:
        for run, recording in self._recordings.items():
            first, records = recording.take_flushed()
            if records:
                bus.publish_events(run, first, records)

    def _publish_if_due(self, bus: BusServer) -> None:
        """Publish snapshots to a viewer that joined, or of what changed; otherwise keep viewers informed."""
        now = time.monotonic()
        joined = bus.wanted()
        if now - self._links_at >= LINK_INTERVAL_S:
            self._update_links(bus)
        changed = any(recording.changed for recording in self._recordings.values())
        match self._schedule.due(now, joined=joined, changed=changed):
            case "snapshots":
                self._publish(bus, everything=joined)
            case "keepalive":
                bus.keepalive()

    def _update_links(self, bus: BusServer) -> None:
        self._links_at = time.monotonic()
        for run, recording in self._recordings.items():
            recording.update_link(bus.link(run))

    def _publish(self, bus: BusServer, *, everything: bool = False) -> None:
        for run, recording in self._recordings.items():
            if everything or recording.changed:
                recording.update_link(bus.link(run))
                bus.publish(run, recording.position, recording.snapshot(), bus.last_message_ns(run))

    def _answer(self, bus: BusServer, queries: QueryService) -> None:
        for peer, question in bus.questions():
            if isinstance(question.query, NoteQuery):
                self._notes.submit(peer, question.number, question.query)
            else:
                queries.submit(peer, question)
        for peer, number, answer in queries.answers():
            bus.answer(peer, number, answer)

    def _health(self, bus: BusServer) -> AggregatorHealth:
        return AggregatorHealth(
            agg_epoch=bus.agg_epoch,
            pid=os.getpid(),
            uptime_s=time.monotonic() - self._started_at,
            subscribers=bus.viewers,
            rejected=bus.rejected,
            positions={run: recording.position for run, recording in self._recordings.items()},
            problem=self._problem,
            history=True,
            notes=True,
        )

    def _is_idle(self, bus: BusServer) -> bool:
        """Return whether the aggregator has had no client for `idle_exit_s`."""
        if self._idle_exit_s is None:
            return False
        messages = [bus.last_message_ns(run) for run in self._recordings]
        last_message_ns = max((at for at in messages if at is not None), default=None)
        if self._adoption.busy or bus.viewers or last_message_ns != self._last_message_ns:
            self._last_message_ns, self._needed_at = last_message_ns, time.monotonic()
        return time.monotonic() - self._needed_at > self._idle_exit_s

    def _close(self) -> None:
        for recording in self._recordings.values():
            recording.close()
