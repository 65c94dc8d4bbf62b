"""The bound sockets of an aggregator, protected against peers that exhaust its resources.

libzmq keeps every subscription and every part of an unfinished message, and aborts where a bound Unix socket
accepts a connection while no file descriptor is free. So no connection is accepted while descriptors are
scarce, and all connections are closed, for their owners to connect again, when they use too much memory.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import zmq

from esper_bus.addresses import Endpoints, ipc_path
from esper_bus.auth.authenticator import Authenticator
from esper_bus.auth.keys import Right
from esper_bus.auth.socket_monitor import SocketMonitor
from esper_bus.host.resources import files_left, memory_bytes, reserved_files
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
_CHECK_S = 0.1
_FILES_HYSTERESIS = 16
_REFUSALS = zmq.EVENT_HANDSHAKE_FAILED_AUTH | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
_FEW_FILES = "too few file descriptors; accepting no new connections"
_MEMORY = "memory limit exceeded; closing all connections"
_CANNOT_LISTEN = "cannot listen again yet"
_RIGHTS: tuple[Right, ...] = ("ingest", "view", "view")  # as the fields of Endpoints


@dataclass
class _Listener:
    socket: Socket
    address: str
    right: Right
    endpoint: str = ""
    """The address to unbind from, empty while the socket is not bound to it."""


class Listeners:
    """Listens at three addresses. Raises `EsperError` if that fails. Created, used and closed in one thread.

    `refused` counts failed handshakes: an unknown key or none, one without the right, another protocol.
    `keys` is the aggregator's key directory, needed for tcp only. `local` are three more addresses, over ipc.
    """

    def __init__(self, endpoints: Endpoints, keys: Path | None, local: Endpoints | None = None) -> None:
        self.refused = 0
        self._endpoints = [endpoints] if local is None else [local, endpoints]
        self._keys = keys if ipc_path(endpoints.ingest) is None else None
        self._log = RateLimitedLog("esper.bus.net")
        self._check_at = 0.0
        self._retry_at = 0.0
        self._open()

    @property
    def may_write(self) -> Callable[[str | None, str, str], bool] | None:
        """Whether a client may send the events of a run and producer; None if all may."""
        return None if self._keys is None else self._is_allowed_to_write

    def may_annotate(self, client: str | None) -> bool:
        """Whether a client may write notes about runs; without keys all may."""
        return self.authenticator is None or self.authenticator.may_annotate(client)

    def name_of(self, client: str | None) -> str:
        """The name of a client for messages."""
        if self.authenticator is None or client is None:
            return str(client)
        return self.authenticator.name_of(client)

    def wait(self, timeout_s: float) -> bool:
        """Wait until a message arrives; True if all connections were closed instead.

        Meanwhile new clients are authenticated, refused ones counted, memory and descriptors checked.
        """
        if self._context.closed and not self._reopen():
            time.sleep(min(timeout_s, _CHECK_S))
            return False
        deadline = time.monotonic() + timeout_s
        while True:
            left_s = max(0.0, deadline - time.monotonic())
            ready = {socket for socket, _ in self._poller.poll(math.ceil(left_s * 1000))}
            if self.authenticator is not None:
                self.authenticator.answer_requests()
            if self._check(time.monotonic()):
                return True
            if not ready <= {monitor.socket for monitor in self._monitors} or left_s == 0:
                return False

    def close(self, linger_ms: int) -> None:
        """Close all sockets; messages that were just sent have `linger_ms` to leave."""
        for monitor in self._monitors:
            monitor.close()
        self._context.destroy(linger=linger_ms)

    def _is_allowed_to_write(self, client: str | None, run: str, producer: str) -> bool:
        return self.authenticator is not None and self.authenticator.may_write(client, run, producer)

    def _check(self, now: float) -> bool:
        """Count refused clients and check the resources; True if all connections were closed."""
        events = [event for monitor in self._monitors for event, _ in monitor.events()]
        self.refused += sum(bool(event & _REFUSALS) for event in events)
        if not events and now < self._check_at:
            return False
        self._check_at = now + _CHECK_S
        self._check_files(now)
        return self._check_memory()

    def _open(self) -> None:
        self._context: Context = zmq.Context()
        self._monitors: list[SocketMonitor] = []
        self.authenticator = None if self._keys is None else self._or_close(self._new_authenticator)
        self.ingest = ingest_server(self._context)
        self.snapshots = snapshot_server(self._context)
        self.queries = query_server(self._context)
        self._or_close(self._bind)
        self._initial_memory = memory_bytes()
        self._poller = zmq.Poller()
        for socket in (*self._sockets, *(monitor.socket for monitor in self._monitors)):
            self._poller.register(socket, zmq.POLLIN)
        if self.authenticator is not None:
            self._poller.register(self.authenticator.socket, zmq.POLLIN)

    @property
    def _sockets(self) -> tuple[Socket, Socket, Socket]:
        return self.ingest, self.snapshots, self.queries

    def _new_authenticator(self) -> Authenticator:
        assert self._keys is not None
        return Authenticator(self._context, self._keys)

    def _bind(self) -> None:
        self._listeners = [
            _Listener(socket, address, right)
            for endpoints in self._endpoints
            for socket, address, right in zip(self._sockets, endpoints, _RIGHTS, strict=True)
        ]
        for listener in self._listeners:
            listener.endpoint = bind(listener.socket, listener.address, listener.right, self.authenticator)
        for socket in self._sockets:
            self._monitors.append(SocketMonitor(socket, _REFUSALS | zmq.EVENT_ACCEPTED))

    def _or_close(self, step: Callable[[], _T]) -> _T:
        """Take a step of opening; close all sockets if it fails."""
        try:
            return step()
        except BaseException:
            self.close(0)
            raise

    def _check_files(self, now: float) -> None:
        left, reserved = files_left(), reserved_files()
        bound = [listener for listener in self._listeners if listener.endpoint]
        if left < reserved and bound:
            for listener in bound:
                listener.socket.unbind(listener.endpoint)
                listener.endpoint = ""
            self._retry_at = now + _CHECK_S
            self._log.warn(_FEW_FILES, descriptors_left=left)  # after unbinding: it may take a while
        elif (
            left > reserved + _FILES_HYSTERESIS
            and len(bound) < len(self._listeners)
            and now >= self._retry_at
        ):
            self._retry_at = now + _CHECK_S
            self._bind_again()

    def _bind_again(self) -> None:
        try:
            for listener in self._listeners:
                if not listener.endpoint:  # the others would be in use, by this process
                    listener.endpoint = bind_again(
                        listener.socket, listener.address, listener.right, self.authenticator
                    )
        except EsperError as error:
            self._log.warn(_CANNOT_LISTEN, reason=str(error))
        else:
            self._log.resolved(_CANNOT_LISTEN)
            self._log.resolved(_FEW_FILES)

    def _check_memory(self) -> bool:
        if memory_bytes() - self._initial_memory < MAX_MEMORY_GROWTH_BYTES:
            return False
        self.close(0)
        self._log.warn(_MEMORY, limit_mib=MAX_MEMORY_GROWTH_BYTES // 2**20)
        self._reopen()
        return True

    def _reopen(self) -> bool:
        """Open new sockets, unless that was tried just now; returns whether they are open."""
        now = time.monotonic()
        if now < self._retry_at:
            return False
        self._retry_at = now + _CHECK_S
        try:
            self._open()
        except (EsperError, OSError, zmq.ZMQError) as error:  # tried again: an aggregator does not end
            self.close(0)
            self._log.warn(_CANNOT_LISTEN, reason=str(error))
            return False
        self._log.resolved(_CANNOT_LISTEN)
        return True
