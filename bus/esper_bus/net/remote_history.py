"""`RemoteHistory`: asks an aggregator about the past of a run, without ever waiting."""

import time
from collections import deque
from collections.abc import Callable, Iterator
from itertools import count

import zmq

from esper_bus.addresses import Endpoints
from esper_bus.auth.handshake import Handshake
from esper_bus.auth.keys import ClientKeys
from esper_bus.net.sockets import Context, Socket, connect, disconnect, query_client
from esper_bus.protocol.frames import FrameError, VersionError
from esper_bus.protocol.query_messages import (
    AggregatorHealth,
    HealthQuery,
    HistoryAnswer,
    HistoryQuery,
    Query,
    Refusal,
    encode_question,
    parse_reply,
)
from esper_bus.protocol.query_messages import Answer as Reply
from esper_bus.protocol.query_messages import Question as Numbered
from esper_schemas.errors import EsperError
from esper_schemas.history import Answer, Question, Unanswered

PING_AFTER_S = 1.0
"""Silence after which an aggregator that owes answers is asked whether it is there."""
RENEW_AFTER_S = 5.0
"""Silence after which everything is asked again through a new socket."""
GIVE_UP_AFTER_S = 20.0
"""Silence after which questions are answered with a sentence that says so."""
_AT_ONCE = 8
"""Questions that an aggregator has at the same time; others wait here."""
_PING = 1 << 61
_OLD = (
    "The aggregator at {} is of a version that answers no questions about the past; "
    "install a newer esper-lite there."
)
_OTHER_VERSION = "The aggregator speaks another version ({}); install the same esper-lite on both."


class RemoteHistory:
    """The past of a run of an aggregator, as a `History`.

    resolve: returns the addresses of the aggregator, or raises an `EsperError`. keys: a client's key file for
    tcp, with the right to view. Used from one thread; no call waits or raises.
    """

    def __init__(self, resolve: Callable[[], Endpoints], run: str, keys: ClientKeys | None = None) -> None:
        self._resolve = resolve
        self._run = run
        self._keys = keys
        self._numbers = count(1)
        self._open: dict[int, Question] = {}
        self._sent: set[int] = set()
        self._arrived: deque[tuple[int, Answer]] = deque()
        self._context: Context | None = None
        self._socket: Socket | None = None
        self._handshake: Handshake | None = None
        self._address = ""
        self._aggregator: int | None = None
        self._heard_at = self._connected_at = time.monotonic()
        self._pinged_at = self._ping_after_s = 0.0

    def ask(self, question: Question) -> int:
        """Ask a question; returns the number that its answer will have."""
        number = next(self._numbers)
        if not self._open:
            self._heard_at = time.monotonic()
        self._open[number] = question
        self._advance()
        return number

    def answers(self) -> Iterator[tuple[int, Answer]]:
        """Yield the answers that have arrived since the last call, each with its number."""
        self._advance()
        while self._arrived:
            yield self._arrived.popleft()

    def close(self) -> None:
        """Close the socket."""
        self._open.clear()
        self._disconnect()
        if self._context is not None:
            self._context.destroy(linger=0)
        self._context = None

    def _advance(self) -> None:
        """Send what can be sent, and take what has arrived."""
        if not self._open:
            return
        try:
            now = time.monotonic()
            self._connect_or_ping(now)
            self._receive(now)
            self._check_handshake()
            self._send()
            if now - self._heard_at >= GIVE_UP_AFTER_S:
                self._fail(f"No aggregator answers at {self._address}.", temporary=True)
        except EsperError as error:
            self._fail(str(error))
        except zmq.ZMQError as error:
            self._fail(f"Cannot reach the aggregator ({error}); ask again.", temporary=True)

    def _connect_or_ping(self, now: float) -> None:
        silent_since = max(self._heard_at, self._connected_at)
        if self._socket is None or now - silent_since >= RENEW_AFTER_S:
            self._connect(now)
        if self._socket is not None and now - max(silent_since, self._pinged_at) >= self._ping_after_s:
            self._pinged_at, self._ping_after_s = now, PING_AFTER_S
            self._put(_PING, HealthQuery())

    def _connect(self, now: float) -> None:
        self._disconnect()
        self._context = self._context or zmq.Context()
        self._address = self._resolve().query
        self._socket = query_client(self._context)
        self._handshake = connect(self._socket, self._address, self._keys)
        self._connected_at, self._pinged_at, self._ping_after_s = now, 0.0, 0.0

    def _disconnect(self) -> None:
        self._aggregator = None
        self._sent.clear()
        socket, self._socket = self._socket, None
        handshake, self._handshake = self._handshake, None
        disconnect(socket, handshake)

    def _check_handshake(self) -> None:
        if self._handshake is not None and (refusal := self._handshake.refusal()):
            self._fail(refusal)
            self._disconnect()  # the next question may be accepted

    def _send(self) -> None:
        """Send questions, a few at a time, to an aggregator that is known to answer them."""
        if self._aggregator is None:
            return
        for number, question in self._open.items():
            if len(self._sent) >= _AT_ONCE:
                return
            if number not in self._sent and self._put(number, HistoryQuery(self._run, question)):
                self._sent.add(number)

    def _put(self, number: int, query: Query) -> bool:
        if self._socket is None:
            return False
        try:
            self._socket.send_multipart(encode_question(Numbered(number, query)), zmq.DONTWAIT)
        except zmq.Again:
            if number == _PING:
                self._ping_after_s = 0.0  # once it is connected
            return False
        return True

    def _receive(self, now: float) -> None:
        while self._socket is not None:
            try:
                reply = parse_reply(self._socket.recv_multipart(zmq.DONTWAIT))
            except zmq.Again:
                return
            except VersionError as error:
                self._fail(_OTHER_VERSION.format(error))
                return
            except FrameError:  # treated as silence
                continue
            self._heard_at = now
            self._take(reply.number, reply.answer)

    def _take(self, number: int, reply: Reply) -> None:
        match reply:
            case AggregatorHealth(history=False):
                self._fail(_OLD.format(self._address))
            case AggregatorHealth(agg_epoch=epoch):
                if epoch != self._aggregator:
                    self._sent.clear()  # it was started again and knows no question
                self._aggregator = epoch
            case Refusal(text=text, temporary=temporary) if number == 0:
                self._fail(text, temporary=temporary)
            case Refusal(text=text, temporary=temporary):
                self._arrive(number, Unanswered(text, temporary))
            case HistoryAnswer():
                self._arrive(number, _decoded(reply))

    def _arrive(self, number: int, answer: Answer) -> None:
        self._sent.discard(number)
        if self._open.pop(number, None) is not None:
            self._arrived.append((number, answer))

    def _fail(self, text: str, *, temporary: bool = False) -> None:
        """Answer all questions that are open with a reason."""
        for number in list(self._open):
            self._arrive(number, Unanswered(text, temporary))


def _decoded(reply: HistoryAnswer) -> Answer:
    try:
        return reply.answer()
    except FrameError as error:
        return Unanswered(f"The answer of the aggregator cannot be read ({error}); ask again.", True)
