"""The events of a run as an aggregator logs them: queries those that were missed, then subscribes."""

import time

import zmq

from esper_bus.addresses import Endpoints
from esper_bus.auth.keys import ClientKeys
from esper_bus.net.query_client import QueryClient
from esper_bus.net.sockets import Context, connect, snapshot_client
from esper_bus.protocol.event_batches import TOPIC, parse_batch
from esper_bus.protocol.frames import FrameError
from esper_bus.protocol.query_messages import (
    AggregatorHealth,
    EventsPage,
    EventsQuery,
    HealthQuery,
    Runs,
    RunsQuery,
)
from esper_bus.rate_limited_log import RateLimitedLog
from esper_bus.records import RawRecord
from esper_schemas.errors import EsperError, Refused, Unreachable

ASK_AFTER_S = 1.0
"""Silence after which the aggregator is queried for missed events."""
_ASK_S = 2.0
_SKIP_S = 5.0
_PAUSE_S = 0.05
_OTHER_ANSWER = "The aggregator answered in an unexpected format; install the same esper-lite on both sides."


class LiveEvents:
    """The events of the log of one run from position `start` on; of the newest run if none is named.

    `position` is that of the next event. Events that were missed, before the subscription, during a
    disconnection or because this end was too slow, are queried. Raises `InvalidArgument` for an address that
    cannot be used.
    """

    def __init__(
        self, endpoints: Endpoints, run: str | None, start: int, keys: ClientKeys | None = None
    ) -> None:
        self.position = start
        self._endpoints = endpoints
        self._run = run
        self._context: Context = zmq.Context()
        self._socket = snapshot_client(self._context)
        try:
            connect(self._socket, endpoints.snapshots, keys).close()
        except EsperError:
            self._context.destroy(linger=0)
            raise
        self._queries = QueryClient(endpoints, keys, self._context)
        self._log = RateLimitedLog("esper.bus.net", address=endpoints.query)
        self._behind = True
        self._received_at = time.monotonic()
        if run is not None:
            self._socket.subscribe(TOPIC + run.encode())

    def read(self, timeout_s: float) -> list[RawRecord]:
        """Return the next events; wait until there are some, empty after about `timeout_s`."""
        deadline = time.monotonic() + timeout_s
        while True:
            records = self._missed(deadline) if self._behind else self._published(deadline)
            if records or time.monotonic() >= deadline:
                return records

    def skip_to_end(self) -> None:
        """Skip the events that are in the log now. Raises `Unreachable` or `Refused`."""
        names = self._names(_SKIP_S)
        run = self._run or (self._choose(names[0]) if names else None)
        health = self._queries.ask(HealthQuery(), _SKIP_S)
        if isinstance(health, AggregatorHealth) and run in health.positions:
            self.position = health.positions[run]
        elif run in names:
            while self._behind:
                self._page(run, _SKIP_S)

    def close(self) -> None:
        """Close the sockets."""
        self._socket.close(linger=0)
        self._queries.close()
        self._context.destroy(linger=0)

    def _missed(self, deadline: float) -> list[RawRecord]:
        timeout_s = max(0.01, min(_ASK_S, deadline - time.monotonic()))
        try:
            return self._page_of_run(timeout_s)
        except Unreachable as error:  # no aggregator or no such run yet
            self._log.warn("waiting for events", reason=str(error))
            time.sleep(max(0.0, min(_PAUSE_S, deadline - time.monotonic())))
            return []

    def _page_of_run(self, timeout_s: float) -> list[RawRecord]:
        """As `_page`; a run that does not exist yet is `Unreachable`."""
        run = self._run or self._newest(timeout_s)
        try:
            return self._page(run, timeout_s)
        except Refused:
            if run not in self._names(timeout_s):
                raise Unreachable(f"There is no run {run} yet.") from None
            return self._page(run, timeout_s)  # it may have been created between the two questions

    def _page(self, run: str, timeout_s: float) -> list[RawRecord]:
        """The next events of the log, possibly none. Raises `Unreachable` or `Refused`."""
        page = self._queries.ask(EventsQuery(run, self.position), timeout_s)
        if not isinstance(page, EventsPage) or (page.run, page.first) != (run, self.position):
            raise Refused(_OTHER_ANSWER)
        records = _records_of(page)
        self._received_at = time.monotonic()
        self._behind = not page.at_end
        self.position += len(records)
        return records

    def _newest(self, timeout_s: float) -> str:
        names = self._names(timeout_s)
        if not names:
            raise Unreachable("There is no run yet.")
        return self._choose(names[0])

    def _names(self, timeout_s: float) -> tuple[str, ...]:
        runs = self._queries.ask(RunsQuery(), timeout_s)
        return runs.names if isinstance(runs, Runs) else ()

    def _choose(self, run: str) -> str:
        self._run = run
        self._socket.subscribe(TOPIC + run.encode())
        return run

    def _published(self, deadline: float) -> list[RawRecord]:
        ask_at = self._received_at + ASK_AFTER_S
        wait_s = min(deadline, ask_at) - time.monotonic()
        if not self._socket.poll(int(1000 * max(0.0, wait_s)) + 1):
            self._behind = time.monotonic() >= ask_at
            return []
        try:
            batch = parse_batch(self._socket.recv_multipart(zmq.DONTWAIT))
        except (zmq.ZMQError, FrameError):
            return []
        if batch.run != self._run:  # a run whose name starts with this one's
            return []
        self._received_at = time.monotonic()
        self._behind = batch.first > self.position
        records = [] if self._behind else batch.records[self.position - batch.first :]
        self.position += len(records)
        return records


def _records_of(page: EventsPage) -> list[RawRecord]:
    try:
        return page.records()
    except FrameError as error:
        raise Refused(_OTHER_ANSWER) from error
