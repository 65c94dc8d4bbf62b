"""The bound sockets of an aggregator, and what keeps peers at them from using up its process.

libzmq keeps every subscription and every part of a message that does not end, and aborts where a bound
Unix socket accepts a connection while no descriptor is free. So nobody new is let in while descriptors
are short, and all connections are closed, for their owners to come again, when too much piles up.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import zmq

from esper_bus.addresses import Endpoints, ipc_path
from esper_bus.auth.keys import Right
from esper_bus.auth.socket_monitor import SocketMonitor
from esper_bus.auth.zap import Gate
from esper_bus.host.resources import files_left, memory_bytes, spare_files
from esper_bus.limits import MAX_MEMORY_GROWTH_BYTES
from esper_bus.net.sockets import (
    Context,
    Socket,
    bind,
    bind_again,
    ingest_server,
    query_server,
    snapshot_server,
)
from esper_bus.rate_limited_log import RateLimitedLog
from esper_schemas.errors import EsperError

_T = TypeVar("_T")
_LOOK_S = 0.1
_ROOM = 16
_REFUSALS = zmq.EVENT_HANDSHAKE_FAILED_AUTH | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
_SHORT, _HOARD = "too many connections, nobody new is let in", "peers make too much pile up, all are closed"
_NOT_YET = "cannot listen again yet"
_RIGHTS: tuple[Right, ...] = ("ingest", "view", "view")  # as the fields of Endpoints


@dataclass
class _Listener:
    socket: Socket
    address: str
    right: Right
    endpoint: str = ""
    """What to unbind it by, empty while it is not bound."""


class Listeners:
    """Listens at three addresses. Raises `EsperError` if it cannot. Made, used and closed in one thread.

    `refused` counts handshakes that failed: an unknown key or none, one without the right, another
    protocol than ours. `keys` is the directory of the aggregator's keys, for tcp: over ipc nobody needs
    one. `local` are three more addresses, over ipc.
    """

    def __init__(self, endpoints: Endpoints, keys: Path | None, local: Endpoints | None = None) -> None:
        self.refused = 0
        self._endpoints = [endpoints] if local is None else [local, endpoints]
        self._keys = keys if ipc_path(endpoints.ingest) is None else None
        self._log = RateLimitedLog("esper.bus.net")
        self._look_at = 0.0
        self._retry_at = 0.0
        self._open()

    @property
    def may_write(self) -> Callable[[str | None, str, str], bool] | None:
        """Whether a client may send the events of a run and producer; None if everybody may."""
        return (
            None if self._keys is None else lambda *who: self.gate is not None and self.gate.may_write(*who)
        )

    def name_of(self, client: str | None) -> str:
        """What a client is called in messages."""
        return self.gate.name_of(client) if self.gate is not None and client is not None else str(client)

    def wait(self, timeout_s: float) -> bool:
        """Wait until somebody in here says something; True if all were sent away instead.

        Meanwhile those who want to come in are answered, those who were refused counted, and memory and
        descriptors looked after.
        """
        if self._context.closed and not self._opened():
            time.sleep(min(timeout_s, _LOOK_S))
            return False
        deadline = time.monotonic() + timeout_s
        while True:
            left_s = max(0.0, deadline - time.monotonic())
            ready = {socket for socket, _ in self._poller.poll(math.ceil(left_s * 1000))}
            if self.gate is not None:
                self.gate.serve()
            if self._tend(time.monotonic()):
                return True
            if not ready <= {monitor.socket for monitor in self._monitors} or left_s == 0:
                return False

    def _tend(self, now: float) -> bool:
        events = [event for monitor in self._monitors for event, _ in monitor.events()]
        self.refused += sum(bool(event & _REFUSALS) for event in events)
        if not events and now < self._look_at:
            return False
        self._look_at = now + _LOOK_S
        self._look_at_files(now)
        return self._look_at_memory()

    def close(self, linger_ms: int) -> None:
        """Close all sockets; what was sent just before has a moment to get out."""
        for monitor in self._monitors:
            monitor.close()
        self._context.destroy(linger=linger_ms)

    def _open(self) -> None:
        self._context: Context = zmq.Context()
        self._monitors: list[SocketMonitor] = []
        self.gate = None if self._keys is None else self._or_destroy(self._new_gate)
        self.ingest = ingest_server(self._context)
        self.snapshots = snapshot_server(self._context)
        self.queries = query_server(self._context)
        self._or_destroy(self._bind)
        self._floor = memory_bytes()
        self._poller = zmq.Poller()
        for socket in (*self._sockets, *(monitor.socket for monitor in self._monitors)):
            self._poller.register(socket, zmq.POLLIN)
        if self.gate is not None:
            self._poller.register(self.gate.socket, zmq.POLLIN)

    @property
    def _sockets(self) -> tuple[Socket, Socket, Socket]:
        return self.ingest, self.snapshots, self.queries

    def _new_gate(self) -> Gate:
        assert self._keys is not None
        return Gate(self._context, self._keys)

    def _bind(self) -> None:
        self._listeners = [
            _Listener(socket, address, right)
            for endpoints in self._endpoints
            for socket, address, right in zip(self._sockets, endpoints, _RIGHTS, strict=True)
        ]
        for one in self._listeners:
            one.endpoint = bind(one.socket, one.address, one.right, self.gate)
        for socket in self._sockets:
            self._monitors.append(SocketMonitor(socket, _REFUSALS | zmq.EVENT_ACCEPTED))

    def _or_destroy(self, step: Callable[[], _T]) -> _T:
        """Do a step of the construction; leave no socket behind if it fails."""
        try:
            return step()
        except BaseException:
            self.close(0)
            raise

    def _look_at_files(self, now: float) -> None:
        left, spare = files_left(), spare_files()
        bound = [one for one in self._listeners if one.endpoint]
        if left < spare and bound:
            for one in bound:
                one.socket.unbind(one.endpoint)
                one.endpoint = ""
            self._retry_at = now + _LOOK_S
            self._log.warn(_SHORT, descriptors_left=left)  # the first warning takes its time
        elif left > spare + _ROOM and len(bound) < len(self._listeners) and now >= self._retry_at:
            self._retry_at = now + _LOOK_S
            self._bind_again()

    def _bind_again(self) -> None:
        try:
            for one in self._listeners:
                if not one.endpoint:  # it would be in use, by us
                    one.endpoint = bind_again(one.socket, one.address, one.right, self.gate)
        except EsperError as error:
            self._log.warn(_NOT_YET, reason=str(error))
        else:
            self._log.resolved(_NOT_YET)
            self._log.resolved(_SHORT)

    def _look_at_memory(self) -> bool:
        if memory_bytes() - self._floor < MAX_MEMORY_GROWTH_BYTES:
            return False
        self.close(0)
        self._log.warn(_HOARD, megabytes=MAX_MEMORY_GROWTH_BYTES // 2**20)
        self._opened()
        return True

    def _opened(self) -> bool:
        """Open all anew, unless that was tried just now; whether it could be. What fails is tried again."""
        now = time.monotonic()
        if now < self._retry_at:
            return False
        self._retry_at = now + _LOOK_S
        try:
            self._open()
        except (EsperError, OSError, zmq.ZMQError) as error:
            self.close(0)
            self._log.warn(_NOT_YET, reason=str(error))
            return False
        self._log.resolved(_NOT_YET)
        return True
