"""The aggregator's sockets: events and queries in; acknowledgements, snapshots, events and answers out.

Created, used and closed in one thread; only `receive` waits, up to its timeout.
"""

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import zmq

from esper_bus.addresses import Endpoints
from esper_bus.names import is_name, new_epoch
from esper_bus.net.listeners import Listeners
from esper_bus.net.sockets import Socket
from esper_bus.protocol import event_batches
from esper_bus.protocol.event_batches import EventBatch, encode_batch, split
from esper_bus.protocol.frames import FrameError, Frames, VersionError
from esper_bus.protocol.query_messages import (
    Answer,
    NoteQuery,
    Question,
    Refusal,
    Reply,
    encode_reply,
    number_of_question,
    parse_question,
)
from esper_bus.protocol.receiver import LinkCounters, Receiver, Recover
from esper_bus.protocol.snapshot_deltas import DeltaEncoder
from esper_bus.protocol.snapshot_messages import (
    COMPRESSED_TOPIC,
    TOPIC,
    SnapshotHead,
    encode_snapshot_message,
)
from esper_bus.records import RawRecord

__all__ = ["BusServer", "LinkCounters", "Recover"]

_DRAIN_MESSAGES = 64
_QUESTIONS_AT_ONCE = 16
_MAX_TOPICS = 1000
_DRAIN_S = 0.005
_SUBSCRIPTIONS_AT_ONCE = 256
"""Subscriptions processed per call, so that a flood of them does not delay events."""
_LINGER_MS = 200
_UNKNOWN_QUESTION = "The aggregator does not know this kind of question; install a newer esper-lite there."
_SUBSCRIBE, _UNSUBSCRIBE = b"\x01", b"\x00"


class BusServer:
    """Receives events from trainers and publishes snapshots. Raises `EsperError` if it cannot listen.

    recover: returns, for each stream in the log of a run, the sequence number after its last event.
    agg_epoch: identifies this process of the aggregator. keys: its key directory; without one, tcp is limited
    to this machine. local: additional ipc addresses. clock_ns: returns the time at which snapshots count as
    sent, nanoseconds since 1970. The caller holds the `AggregatorLock`.
    """

    def __init__(
        self,
        endpoints: Endpoints,
        recover: Recover,
        agg_epoch: int | None = None,
        keys: Path | None = None,
        local: Endpoints | None = None,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self.agg_epoch = new_epoch() if agg_epoch is None else agg_epoch
        self._listeners = Listeners(endpoints, keys, local)
        self._receiver = Receiver(self.agg_epoch, recover, self._listeners.may_write, self._listeners.name_of)
        self._clock_ns = clock_ns
        self._snap_seq = 0
        self._positions: dict[str, int] = {}
        self._logged: dict[str, int] = {}
        self._subscriptions: Counter[bytes] = Counter()
        self._refused_questions = 0
        self._wanted = False
        self._encoders: dict[str, DeltaEncoder] = {}

    @property
    def viewers(self) -> int:
        """How many subscriptions there are, to snapshots and to events."""
        return self._subscriptions.total()

    @property
    def rejected(self) -> int:
        """How many messages were rejected, from all senders."""
        return self._receiver.rejected + self._refused_questions

    def receive(self, timeout_s: float) -> list[RawRecord]:
        """Return new events, each once and in order; wait until there are some, or a subscription.

        Write them to the log, flush it, then call `acknowledge`.
        """
        if self._listeners.wait(timeout_s):
            self._subscriptions.clear()
        self._read_subscriptions()
        records = self._read_ingest()
        self._send_answers()
        return records

    def adopt(self, records: list[RawRecord]) -> list[RawRecord]:
        """Return those of a dead trainer's events that are new; log them like received ones."""
        return self._receiver.adopt(records)

    def acknowledge(self) -> None:
        """Acknowledge everything that `receive` has returned; it must be in the log and flushed."""
        self._receiver.mark_flushed()
        self._send_answers()

    def wanted(self) -> bool:
        """Whether there was a subscription since the last call; if so, publish every run at once."""
        wanted, self._wanted = self._wanted, False
        if wanted:
            self._encoders.clear()  # start again with keyframes, which new subscribers lack
        return wanted

    def publish(self, run: str, position: int, body: bytes, trainer_message_ns: int | None = None) -> None:
        """Send a snapshot of `run` after `position` events to its subscribers.

        trainer_message_ns: default, the time of the last message of a trainer of the run.
        """
        self._positions[run] = position
        self._send_snapshot(run, body, trainer_message_ns)

    def publish_events(self, run: str, first: int, records: Sequence[RawRecord]) -> None:
        """Send events of the log of `run`, of which the first has position `first`.

        Call it for all events in the order of the log: subscribers detect a gap and query it.
        """
        self._logged[run] = first + len(records)
        if self._subscriptions[event_batches.TOPIC + run.encode()]:
            for batch in split(EventBatch(run, self.agg_epoch, first, list(records))):
                _send_now(self._listeners.snapshots, encode_batch(batch))

    def questions(self) -> list[tuple[bytes, Question]]:
        """Return the received questions, each with the peer to `answer`; reject malformed ones.

        A note of a client without the right to write notes is refused here.
        """
        found: list[tuple[bytes, Question]] = []
        for _ in range(_QUESTIONS_AT_ONCE):
            received = _receive_with_client(self._listeners.queries)
            if received is None:
                break
            peer, frames, client = received
            try:
                question = parse_question(frames)
            except VersionError as error:
                self._refused_questions += 1
                text = f"The aggregator speaks another version than {error}; install the same on both."
                self.answer(peer, 0, Refusal(text))
            except FrameError:
                self._refused_questions += 1
                self._refuse(peer, frames)
            else:
                if isinstance(question.query, NoteQuery) and not self._listeners.may_annotate(client):
                    self._refused_questions += 1
                    self.answer(peer, question.number, Refusal(_no_notes_of(self._listeners.name_of(client))))
                else:
                    found.append((peer, question))
        return found

    def answer(self, peer: bytes, number: int, answer: Answer) -> None:
        """Answer a question; the answer is dropped if the peer is gone or does not read."""
        _send_now(self._listeners.queries, [peer, *encode_reply(Reply(number, answer))])

    def _refuse(self, peer: bytes, frames: Frames) -> None:
        """Answer a question of an unknown kind; other messages have no number that an answer could carry."""
        with contextlib.suppress(FrameError):
            self.answer(peer, number_of_question(frames), Refusal(_UNKNOWN_QUESTION))

    def keepalive(self) -> None:
        """Send an empty message for each published run: the aggregator is running."""
        for run in self._positions or ("",):
            self._send_snapshot(run, b"", None)

    def last_message_ns(self, run: str) -> int | None:
        """When the last message of a trainer of the run was received, nanoseconds since 1970."""
        return self._receiver.last_message_ns(run)

    def link(self, run: str) -> LinkCounters:
        """The counters of lost, repeated and refused messages of a run's trainers."""
        self._receiver.update_duplicate_producers(run, time.monotonic())
        counters = self._receiver.counters(run)
        counters.refused = self._listeners.refused + self._receiver.unidentified
        return counters

    def close(self) -> None:
        """Close the sockets; messages sent just before have a moment to be delivered."""
        self._listeners.close(_LINGER_MS)

    def _read_ingest(self) -> list[RawRecord]:
        records: list[RawRecord] = []
        now, now_ns = time.monotonic(), time.time_ns()
        for _ in range(_DRAIN_MESSAGES):
            if time.monotonic() - now > _DRAIN_S:
                break
            received = _receive_with_client(self._listeners.ingest)
            if received is None:
                break
            peer, frames, client = received
            records += self._receiver.receive(peer, frames, now, now_ns, client)
        return records

    def _send_answers(self) -> None:
        for peer, frames in self._receiver.take_answers():
            _send_now(self._listeners.ingest, [peer, *frames])

    def _read_subscriptions(self) -> None:
        """Process subscriptions, and ignore all other bytes that a peer may send."""
        for _ in range(_SUBSCRIPTIONS_AT_ONCE):
            frames = _receive_now(self._listeners.snapshots)
            if frames is None:
                return
            if len(frames) != 1:
                continue
            kind, topic = frames[0][:1], frames[0][1:]
            if not self._is_topic(topic):
                continue
            if kind == _SUBSCRIBE:
                self._subscriptions[topic] += 1
                self._confirm(topic)
            elif kind == _UNSUBSCRIBE and self._subscriptions[topic]:
                self._subscriptions[topic] -= 1
                self._subscriptions += Counter()  # removes topics without subscribers

    def _is_topic(self, topic: bytes) -> bool:
        """Whether a topic exists; the number of topics is bounded."""
        if topic not in self._subscriptions and len(self._subscriptions) >= _MAX_TOPICS:
            return False
        prefix, _, run = topic.partition(b"/")
        return topic.startswith((TOPIC, COMPRESSED_TOPIC)) or (
            prefix + b"/" == event_batches.TOPIC and is_name(run.decode(errors="replace"))
        )

    def _confirm(self, topic: bytes) -> None:
        """Answer a subscription: with a keepalive, or the position from which on all events are sent."""
        if topic.startswith((TOPIC, COMPRESSED_TOPIC)):
            self._wanted = True
            self._send_snapshot("", b"", None)
            return
        run = topic.removeprefix(event_batches.TOPIC).decode(errors="replace")
        _send_now(
            self._listeners.snapshots,
            encode_batch(EventBatch(run, self.agg_epoch, self._logged.get(run, 0), [])),
        )

    def _send_snapshot(self, run: str, body: bytes, trainer_message_ns: int | None) -> None:
        self._snap_seq += 1
        head = SnapshotHead(
            agg_epoch=self.agg_epoch,
            snap_seq=self._snap_seq,
            position=self._positions.get(run, 0),
            sent_ns=self._clock_ns(),
            trainer_message_ns=trainer_message_ns or self.last_message_ns(run) or 0,
        )
        _send_now(self._listeners.snapshots, encode_snapshot_message(run, head, body))
        if any(topic.startswith(COMPRESSED_TOPIC) for topic in self._subscriptions):
            delta = body and self._encoders.setdefault(run, DeltaEncoder()).encode(
                head.snap_seq, body, time.monotonic()
            )
            _send_now(self._listeners.snapshots, encode_snapshot_message(run, head, delta, COMPRESSED_TOPIC))


def _no_notes_of(name: str) -> str:
    return (
        f"The key {name!r} may not write notes; give it the right to annotate where it is made "
        "(`esper keys add`), or use another key."
    )


def _receive_now(socket: Socket) -> Frames | None:
    try:
        return socket.recv_multipart(zmq.DONTWAIT)
    except zmq.ZMQError:  # no message, or its peer has disconnected
        return None


def _receive_with_client(socket: Socket) -> tuple[bytes, Frames, str | None] | None:
    """Return peer, message and the client's public key; None if there is no message.

    The key is read from every message, since the identity of a connection may be reused by another client.
    It is read from the first frame, which avoids a second copy of the events.
    """
    try:
        peer = socket.recv(zmq.DONTWAIT, copy=False)
        frames = socket.recv_multipart(zmq.DONTWAIT) if peer.more else []
    except zmq.ZMQError:  # no message, or its peer has disconnected
        return None
    try:
        client = str(peer.get("User-Id"))
    except zmq.ZMQError:  # the socket has no authentication
        client = None
    return peer.bytes, frames, client


def _send_now(socket: Socket, frames: Frames) -> None:
    try:
        socket.send_multipart(frames, zmq.DONTWAIT)
    except zmq.ZMQError:  # gone or full: a trainer repeats its HELLO, a viewer gets the next snapshot
        return
