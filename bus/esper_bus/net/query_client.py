"""Asks an aggregator: which runs, which events, which snapshot at an earlier time, how is it."""

import time

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


class QueryClient:
    """One question at a time, from one thread; `close` it at the end."""

    def __init__(
        self, endpoints: Endpoints, keys: ClientKeys | None = None, context: Context | None = None
    ) -> None:
        self._keys = keys
        self._handshake: Handshake | None = None
        self._address = endpoints.query
        self._own = context is None
        self._context: Context = context or zmq.Context()
        self._socket: Socket | None = None
        self._number = 0
        self._renew_at = 0.0

    def ask(self, query: Query, timeout_s: float = 5.0) -> Answer:
        """The answer. Raises `Refused`, or `Unreachable` if none comes within `timeout_s`."""
        deadline = time.monotonic() + timeout_s
        while (left := deadline - time.monotonic()) > 0:
            answer = self._try(query, min(left, RENEW_AFTER_S))
            if isinstance(answer, Refusal):
                raise Refused(answer.text)
            if answer is not None:
                return answer
        problem = self._handshake.look() if self._handshake is not None else ""
        if problem:
            raise Refused(problem)
        raise Unreachable(f"No aggregator answers at {self._address}; start one with `esper aggregate`.")

    def close(self) -> None:
        """Close the socket."""
        self._drop_socket()
        if self._own:
            self._context.destroy(linger=0)

    def _try(self, query: Query, timeout_s: float) -> Answer | None:
        deadline = time.monotonic() + timeout_s
        socket = self._socket = self._socket or self._connected()
        self._number += 1
        try:
            if socket.poll(int(1000 * timeout_s), zmq.POLLOUT):
                socket.send_multipart(encode_question(Question(self._number, query)), zmq.DONTWAIT)
            while socket.poll(int(1000 * max(0.0, deadline - time.monotonic()))):
                reply = parse_reply(socket.recv_multipart(zmq.DONTWAIT))
                if reply.number in (0, self._number):
                    self._renew_at = time.monotonic() + RENEW_AFTER_S
                    return reply.answer
        except VersionError as error:
            raise Refused(
                f"The aggregator speaks another version ({error}); install the same esper-lite on both."
            ) from error
        except (zmq.ZMQError, FrameError):  # as if it had said nothing
            self._renew_at = 0.0
        refused = self._handshake is not None and self._handshake.look()
        if time.monotonic() >= self._renew_at and not refused:
            self._drop_socket()
        return None

    def _connected(self) -> Socket:
        socket = query_client(self._context)
        self._handshake = connect(socket, self._address, self._keys)
        self._renew_at = time.monotonic() + RENEW_AFTER_S / 2
        return socket

    def _drop_socket(self) -> None:
        if self._handshake is not None:
            self._handshake.close()
        self._handshake = None
        if self._socket is not None:
            self._socket.close(linger=0)
        self._socket = None
