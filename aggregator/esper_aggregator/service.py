"""The aggregator process: receive, log, acknowledge, fold, publish, answer. Top to bottom, one thread."""

import logging
import os
import time
from collections import deque
from contextlib import closing
from itertools import groupby
from operator import attrgetter
from pathlib import Path

from esper_aggregator.query_service import QueryDesk
from esper_aggregator.recording import Recording, newest_run
from esper_bus.addresses import Endpoints, for_runs_dir, ipc_path
from esper_bus.host.file_system import network_warning
from esper_bus.net.discovery import AggregatorLock
from esper_bus.net.server import BusServer
from esper_bus.protocol.query_messages import Health
from esper_bus.rate_limited_log import LogMessage
from esper_bus.records import RawRecord, StreamKey
from esper_bus.store.adoption import Adoption
from esper_schemas.errors import EsperError

SNAPSHOT_INTERVAL_S = 0.05
"""Snapshots go out at 20 Hz at most, and only when something changed or someone has just joined."""

KEEPALIVE_INTERVAL_S = 1.0

LINK_INTERVAL_S = 1.0
"""How often every run is asked what went wrong on the way to it; one that is published is asked anyway."""

_log = logging.getLogger("esper.aggregator")


class Aggregator:
    """Records every run of one directory and shows them to whoever subscribes.

    Where `endpoints` are tcp, the ipc addresses of the runs directory are served too, so that whoever is
    on this machine finds the aggregator. `keys` is a directory of `esper keys`, for tcp.

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
    ) -> None:
        self._keys = keys
        self._runs_dir = runs_dir
        self._endpoints = endpoints
        self._local = for_runs_dir(runs_dir) if ipc_path(endpoints.ingest) is None else None
        self._idle_exit_s = idle_exit_s
        self._epoch = 0
        self._recordings: dict[str, Recording] = {}
        self._adoption = Adoption(runs_dir)
        self._unwritten: deque[list[RawRecord]] = deque()  # each list of one run
        self._trouble = ""
        self._stopping = False
        self._started_at = time.monotonic()
        self._published_at = self._spoke_at = self._needed_at = self._started_at
        self._links_at = self._started_at
        self._heard_at: int | None = None

    def stop(self) -> None:
        """Ask the loop to end; safe to call from a signal handler."""
        self._stopping = True

    def serve(self) -> None:
        """Serve until told to stop, or until nobody has needed the aggregator for a while."""
        with (
            AggregatorLock(self._runs_dir),
            closing(BusServer(self._endpoints, self._next_seqs, keys=self._keys, local=self._local)) as bus,
        ):
            self._epoch = bus.agg_epoch
            desk = QueryDesk(self._runs_dir, lambda: self._health(bus))
            self._open_newest_run()
            if remote := network_warning(self._runs_dir):
                _log.warning(LogMessage("the log is not on a local disk", reason=remote))
            served = {"runs_dir": str(self._runs_dir), "ingest": self._endpoints.ingest}
            _log.info(LogMessage("aggregator ready", **served))
            try:
                while not (self._stopping or self._idle(bus)):
                    busy = self._adoption.busy or desk.busy
                    received = bus.receive(0 if busy else SNAPSHOT_INTERVAL_S)
                    if self._record([*received, *self._adopted(bus)]):
                        bus.acknowledge()
                        self._adoption.recorded()
                        self._publish_events(bus)
                    self._publish_if_due(bus)
                    _answer(bus, desk)
                self._publish(bus)
            finally:
                self._close()

    def _next_seqs(self, run: str) -> dict[StreamKey, int]:
        """The number of the next event of each stream of a run, which its log does not hold yet."""
        return self._recording(run).next_seqs

    def _open_newest_run(self) -> None:
        """Have something to show to whoever comes before, or after, the trainer."""
        run_dir = newest_run(self._runs_dir)
        if run_dir is not None:
            self._recording(run_dir.name)

    def _recording(self, run: str) -> Recording:
        if run not in self._recordings:
            self._recordings[run] = Recording(self._runs_dir / run, self._epoch)
        return self._recordings[run]

    def _adopted(self, bus: BusServer) -> list[RawRecord]:
        """A part of what dead trainers left in their spools, while the log can be written."""
        if self._trouble:
            return []
        records = self._adoption.next_records(time.monotonic())
        try:
            return bus.adopt(records) if records else []
        except (EsperError, OSError) as error:
            self._adoption.failed(str(error))
            return []

    def _record(self, records: list[RawRecord]) -> bool:
        """Write what was received to the logs; whether all of it is safe there, and may be acknowledged.

        While a disk refuses, events wait here; trainers stop sending when their credit is used up.
        """
        self._unwritten.extend(list(group) for _, group in groupby(records, attrgetter("stream.run")))
        try:
            while self._unwritten:
                self._recording(self._unwritten[0][0].stream.run).extend(self._unwritten[0])
                self._unwritten.popleft()
            for recording in self._recordings.values():
                recording.flush()
        except EsperError as error:
            self._say_once(str(error))
            return False
        self._trouble = ""
        return True

    def _publish_events(self, bus: BusServer) -> None:
        for run, recording in self._recordings.items():
            first, records = recording.take_flushed()
            if records:
                bus.publish_events(run, first, records)

    def _health(self, bus: BusServer) -> Health:
        return Health(
            agg_epoch=bus.agg_epoch,
            pid=os.getpid(),
            uptime_s=time.monotonic() - self._started_at,
            subscribers=bus.viewers,
            rejected=bus.rejected,
            positions={run: recording.position for run, recording in self._recordings.items()},
            trouble=self._trouble,
        )

    def _say_once(self, trouble: str) -> None:
        if trouble != self._trouble:
            _log.error(LogMessage("cannot write the log; no event is acknowledged", reason=trouble))
        self._trouble = trouble

    def _publish_if_due(self, bus: BusServer) -> None:
        now = time.monotonic()
        joined = bus.wanted()
        if now - self._links_at >= LINK_INTERVAL_S:
            self._hear_links(bus)
        due = now - self._published_at >= SNAPSHOT_INTERVAL_S and self._changed()
        if joined or due:
            self._publish(bus, everything=joined)
        elif now - self._spoke_at >= KEEPALIVE_INTERVAL_S:
            self._spoke_at = now
            bus.keepalive()

    def _hear_links(self, bus: BusServer) -> None:
        self._links_at = time.monotonic()
        for run, recording in self._recordings.items():
            recording.heard(bus.link(run))

    def _changed(self) -> bool:
        return any(recording.changed for recording in self._recordings.values())

    def _publish(self, bus: BusServer, *, everything: bool = False) -> None:
        self._published_at = self._spoke_at = time.monotonic()
        for run, recording in self._recordings.items():
            if everything or recording.changed:
                recording.heard(bus.link(run))
                bus.publish(run, recording.position, recording.snapshot(), bus.heard_ns(run))

    def _idle(self, bus: BusServer) -> bool:
        """Whether nobody has needed the aggregator for as long as it was told to wait."""
        if self._idle_exit_s is None:
            return False
        heard = [bus.heard_ns(run) for run in self._recordings]
        newest = max((at for at in heard if at is not None), default=None)
        if self._adoption.busy or bus.viewers or newest != self._heard_at:
            self._heard_at, self._needed_at = newest, time.monotonic()
        return time.monotonic() - self._needed_at > self._idle_exit_s

    def _close(self) -> None:
        for recording in self._recordings.values():
            recording.close()


def _answer(bus: BusServer, desk: QueryDesk) -> None:
    for peer, question in bus.questions():
        desk.ask(peer, question)
    for peer, number, answer in desk.answers():
        bus.answer(peer, number, answer)
