"""The socket of a trainer: sends a stream to an aggregator and never gives up."""

import contextlib
import time

import zmq

from esper_bus.auth.handshake import Handshake
from esper_bus.auth.keys import ClientKeys
from esper_bus.mcap.event_channels import schema_hash
from esper_bus.net.sockets import Context, Socket, connect, disconnect, ingest_client
from esper_bus.protocol.frames import FrameError, Message, encode, parse
from esper_bus.protocol.producer_link import REFUSED_RETRY_S, RENEW_AFTER_S, EventStore, ProducerLink
from esper_bus.rate_limited_log import RateLimitedLog
from esper_bus.records import StreamKey
from esper_schemas.errors import EsperError

SHORTEST_S = 0.002
LONGEST_S = 0.05
"""Pauses between reads of the socket while an answer is awaited; they grow while none comes."""
_MESSAGES_AT_ONCE = 64
_NO_SOCKET = "cannot open a socket; events are only written to the spool"
_REFUSED = "the aggregator refuses the events; they are only written to the spool"


class Uplink:
    """A `ProducerLink` with a socket; created, used and closed in one thread."""

    def __init__(
        self,
        address: str,
        key: StreamKey,
        events: EventStore,
        log: RateLimitedLog,
        keys: ClientKeys | None = None,
    ) -> None:
        self.link = ProducerLink(key, events, time.monotonic(), schema_hash())
        self._address = address
        self._keys = keys
        self._handshake: Handshake | None = None
        self._refusal = ""
        self._socket_problem = ""
        self._log = log
        self._context: Context | None = None
        self._socket: Socket | None = None
        self._retry_at = 0.0
        self._receive_at = 0.0
        self._receive_pause_s = SHORTEST_S

    @property
    def problem(self) -> str:
        """Why no events can be sent, in one sentence; empty if they can, or if there is no aggregator."""
        return self.refusal or self._socket_problem

    @property
    def refusal(self) -> str:
        """Why the aggregator refuses the events, until a person changes something; empty if it does not."""
        return self._refusal or self.link.problem

    @property
    def _blocked(self) -> bool:
        """Whether nothing can be sent now."""
        return self._socket is None or not self._socket.poll(0, zmq.POLLOUT)

    def exchange(self, now: float) -> None:
        """Receive and send what is possible without waiting. Errors are logged, never raised."""
        try:
            if self._socket is None:
                self._open(now)
            moved = self._receive(now) + self._send(now)
            self._receive_pause_s = SHORTEST_S if moved else min(LONGEST_S, 2 * self._receive_pause_s)
            self._receive_at = now + self._receive_pause_s
            self._check_handshake(now)
            self._log_refusal()
            if self.link.renewal_due(now):
                self._close_socket()
                self.link.renewed(now)
        except EsperError as error:  # an address that cannot be used
            self._refusal = str(error)
            self._log_refusal()
            self._retry_later(now + REFUSED_RETRY_S)
        except zmq.ZMQError as error:
            self._socket_problem = f"Cannot open a socket ({error})."
            self._log.warn(_NO_SOCKET, error=str(error))
            self._retry_later(now + RENEW_AFTER_S)

    def wake_at(self) -> float:
        """The latest time at which `exchange` has something to do, if nothing arrives."""
        if self._socket is None:
            return self._retry_at
        wake_at = self.link.renewal_at() if self._blocked else self.link.wake_at()
        return min(wake_at, self._receive_at) if self.link.expects_answer else wake_at

    def send_bye(self) -> None:
        """Tell the aggregator that the stream is complete."""
        message = self.link.bye()
        if message is not None:
            self._send_one(message)

    def close(self) -> None:
        """Close the socket at once; events that were not sent stay in the spool."""
        self._close_socket()
        if self._context is not None:
            self._context.destroy(linger=0)

    def _open(self, now: float) -> None:
        if now < self._retry_at:
            return
        if self._context is None:
            self._context = zmq.Context()
        self._socket = ingest_client(self._context)
        self._handshake = connect(self._socket, self._address, self._keys)
        self._socket_problem = ""
        self._log.resolved(_NO_SOCKET)

    def _close_socket(self) -> None:
        socket, self._socket = self._socket, None
        handshake, self._handshake = self._handshake, None
        disconnect(socket, handshake)

    def _check_handshake(self, now: float) -> None:
        """Disconnect if the connection is refused, and retry later: the key may be allowed by then."""
        if self._handshake is None:
            return
        if self.link.streaming:
            self._refusal = ""
        refusal = self._handshake.refusal()
        if refusal:
            self._refusal = refusal
            self._retry_later(now + REFUSED_RETRY_S)
            self.link.renewed(now)

    def _retry_later(self, at: float) -> None:
        self._close_socket()
        self._retry_at = at

    def _receive(self, now: float) -> int:
        for received in range(_MESSAGES_AT_ONCE):
            if self._socket is None:
                return received
            try:
                self.link.receive(parse(self._socket.recv_multipart(zmq.DONTWAIT)), now)
            except zmq.Again:
                return received
            except FrameError as error:
                self._log.warn("message not understood", error=str(error))
        return _MESSAGES_AT_ONCE

    def _send(self, now: float) -> int:
        for sent in range(_MESSAGES_AT_ONCE):
            message = None if self._blocked else self.link.next_message(now, time.time_ns())
            if message is None:
                return sent
            self._send_one(message)
        return _MESSAGES_AT_ONCE

    def _send_one(self, message: Message) -> None:
        if self._socket is not None:
            with contextlib.suppress(zmq.Again):  # treated as lost: the protocol sends it again
                self._socket.send_multipart(encode(message), zmq.DONTWAIT)

    def _log_refusal(self) -> None:
        if self.refusal:
            self._log.warn(_REFUSED, reason=self.refusal)
        elif self.link.streaming:
            self._log.resolved(_REFUSED)
