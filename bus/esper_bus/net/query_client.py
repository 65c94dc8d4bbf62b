"""Asks an aggregator for its runs, the events of a log, an earlier snapshot, or its health."""

import time
from typing import NamedTuple

import zmq

from esper_bus.addresses import Endpoints
from esper_bus.auth.handshake import Handshake
from esper_bus.auth.keys import ClientKeys
from esper_bus.net.sockets import Context, Socket, connect, query_client
from esper_bus.protocol.frames import FrameError, VersionError
from esper_bus.protocol.query_messages import Answer, Query, Question, Refusal, encode_question, parse_reply
from esper_schemas.errors import Refused, Unreachable

RENEW_AFTER_S = 1.0
"""Silence after which a question is asked again through a new socket."""
_BUSY_PAUSE_S = 0.05


class _Connection(NamedTuple):
    socket: Socket
    handshake: Handshake

    def wait(self, event: int, deadline: float) -> bool:
        """Whether the socket is ready before the deadline. Raises `Refused` as soon as that is known."""
        poller = zmq.Poller()
        poller.register(self.socket, event)
        poller.register(self.handshake.monitor, zmq.POLLIN)
        while True:
            left_s = deadline - time.monotonic()
            ready = dict(poller.poll(max(0, int(1000 * left_s))))
            if refusal := self.handshake.refusal():
                raise Refused(refusal)
            if self.socket in ready or left_s <= 0:
                return self.socket in ready

    def close(self) -> None:
        self.handshake.close()
        self.socket.close(linger=0)


class QueryClient:
    """One question at a time, from one thread; `close` it at the end."""

    def __init__(
        self, endpoints: Endpoints, keys: ClientKeys | None = None, context: Context | None = None
    ) -> None:
        self._keys = keys
        self._address = endpoints.query
        self._owns_context = context is None
        self._context: Context = context or zmq.Context()
        self._connection: _Connection | None = None
        self._number = 0
        self._renew_at = 0.0

    def ask(self, query: Query, timeout_s: float = 5.0) -> Answer:
        """The answer. Raises `Refused` at once, or `Unreachable` if there is none within `timeout_s`."""
        deadline = time.monotonic() + timeout_s
        problem = f"No aggregator answers at {self._address}; start one with `esper aggregate`."
        while (left_s := deadline - time.monotonic()) > 0:
            answer = self._attempt(query, min(left_s, RENEW_AFTER_S))
            if not isinstance(answer, Refusal | None):
                return answer
            if answer is not None:
                problem = _reason_to_wait(answer)
                time.sleep(min(_BUSY_PAUSE_S, left_s))
        raise Unreachable(problem)

    def close(self) -> None:
        """Close the socket."""
        self._disconnect()
        if self._owns_context:
            self._context.destroy(linger=0)

    def _attempt(self, query: Query, timeout_s: float) -> Answer | None:
        deadline = time.monotonic() + timeout_s
        connection = self._connection = self._connection or self._connect()
        self._number += 1
        try:
            if connection.wait(zmq.POLLOUT, deadline):
                connection.socket.send_multipart(encode_question(Question(self._number, query)), zmq.DONTWAIT)
            while connection.wait(zmq.POLLIN, deadline):
                reply = parse_reply(connection.socket.recv_multipart(zmq.DONTWAIT))
                if reply.number in (0, self._number):
                    self._renew_at = time.monotonic() + RENEW_AFTER_S
                    return reply.answer
        except Refused:
            self._disconnect()  # the next question may be accepted
            raise
        except VersionError as error:
            raise Refused(
                f"The aggregator speaks another version ({error}); install the same esper-lite on both sides."
            ) from error
        except (zmq.ZMQError, FrameError):  # treated as silence
            self._renew_at = 0.0
        if time.monotonic() >= self._renew_at:
            self._disconnect()
        return None

    def _connect(self) -> _Connection:
        socket = query_client(self._context)
        self._renew_at = time.monotonic() + RENEW_AFTER_S / 2
        return _Connection(socket, connect(socket, self._address, self._keys))

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None


def _reason_to_wait(refusal: Refusal) -> str:
    """Why to ask again. Raises `Refused` where that would not help."""
    if refusal.temporary:
        return refusal.text
    raise Refused(refusal.text)
