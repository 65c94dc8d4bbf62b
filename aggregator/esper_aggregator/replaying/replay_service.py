"""The replay as a process: sockets like an aggregator's, at which viewers find one recorded run."""

import os
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

from esper_aggregator.publish_schedule import SNAPSHOT_INTERVAL_S, PublishSchedule
from esper_aggregator.query_service import QueryService
from esper_aggregator.replaying.recorded_clock import RecordedClock
from esper_aggregator.replaying.replayed_run import Phase, ReplayedRun
from esper_bus.addresses import Endpoints
from esper_bus.net.server import BusServer
from esper_bus.protocol.query_messages import AggregatorHealth
from esper_bus.records import StreamKey
from esper_schemas.errors import Refused

_FOLD_S = 0.02


class ReplayService:
    """Publishes a run to the viewers at `endpoints`, from the arrival of the first one on.

    `keys` is a directory of `esper keys`, for tcp. Trainers are refused. `on_phase` is called whenever the
    replay enters another phase. Viewers' questions about the run are answered from the directory of the run;
    a file has no answers.
    """

    def __init__(
        self,
        path: Path,
        run: ReplayedRun,
        clock: RecordedClock,
        endpoints: Endpoints,
        keys: Path | None = None,
        on_phase: Callable[[Phase], None] = lambda phase: None,
    ) -> None:
        self._run = run
        self._clock = clock
        self._endpoints = endpoints
        self._keys = keys
        self._on_phase = on_phase
        self._phase: Phase = "seeking"
        self._watched = False
        self._stopping = False
        self._queries = QueryService(path.resolve().parent, self._health, only=path.resolve().name)
        self._started_at = time.monotonic()
        self._schedule = PublishSchedule(self._started_at)
        self._viewers = 0
        self._agg_epoch = 0

    def stop(self) -> None:
        """End `serve` after its present turn; safe to call from a signal handler."""
        self._stopping = True

    def serve(self) -> None:
        """Serve until `stop` is called. Raises `EsperError` if the addresses cannot be used."""
        bus = BusServer(self._endpoints, _refuse_trainer, keys=self._keys, clock_ns=self._time_ns)
        with closing(bus):
            self._agg_epoch = bus.agg_epoch
            while not self._stopping:
                self._turn(bus)

    def _turn(self, bus: BusServer) -> None:
        busy = self._run.phase == "seeking" or self._queries.busy
        bus.receive(0 if busy else SNAPSHOT_INTERVAL_S)
        self._viewers = bus.viewers
        self._advance(bus)
        self._publish_if_due(bus)
        for peer, question in bus.questions():
            self._queries.submit(peer, question)
        for peer, number, answer in self._queries.answers():
            bus.answer(peer, number, answer)

    def _advance(self, bus: BusServer) -> None:
        now = time.monotonic()
        if self._run.phase != "seeking" and not self._is_watched(bus, now):
            return
        first = self._run.position
        records = self._run.advance(now, now + _FOLD_S)
        if records:
            bus.publish_events(self._run.name, first, records)
        if self._watched and self._run.phase != self._phase:
            self._phase = self._run.phase
            self._on_phase(self._phase)

    def _is_watched(self, bus: BusServer, now: float) -> bool:
        """Return whether the first viewer has arrived, from when on the time of the recording passes."""
        if not self._watched and bus.viewers:
            self._watched = True
            self._clock.restart(now)
        return self._watched

    def _publish_if_due(self, bus: BusServer) -> None:
        joined = bus.wanted()
        if self._run.phase == "seeking":
            return
        match self._schedule.due(time.monotonic(), joined=joined, changed=self._run.changed):
            case "snapshots":
                bus.publish(self._run.name, self._run.position, self._run.snapshot(), self._clock.last_ns)
            case "keepalive":
                bus.keepalive()

    def _time_ns(self) -> int:
        """Return the time of the recording, by which viewers compute how old what they see is."""
        return self._clock.time_ns(time.monotonic())

    def _health(self) -> AggregatorHealth:
        return AggregatorHealth(
            agg_epoch=self._agg_epoch,
            pid=os.getpid(),
            uptime_s=time.monotonic() - self._started_at,
            subscribers=self._viewers,
            rejected=0,
            positions={self._run.name: self._run.position},
            history=True,
        )


def _refuse_trainer(run: str) -> Mapping[StreamKey, int]:
    raise Refused(f"A recorded run is replayed here, and {run!r} cannot be recorded; use another address.")
