"""The aggregator's end of KTP/1: which events are new, and what to answer.

Pure: without sockets, clocks and files. The time is passed in, answers are collected for the owner of the
socket. An event is acknowledged only after `mark_flushed` was called.
"""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from esper_bus.expected_sequence import ExpectedSequence
from esper_bus.limits import CREDIT_BYTES, CREDIT_EVENTS, MAX_EVENT_BYTES, MAX_STREAMS
from esper_bus.protocol.duplicate_producers import DuplicateProducers
from esper_bus.protocol.frames import (
    VERSION,
    Ack,
    Bye,
    Data,
    Error,
    FrameError,
    Frames,
    Hello,
    Message,
    Ping,
    Resume,
    VersionError,
    encode,
    parse,
)
from esper_bus.protocol.producer_link import SAME_RESUME_S
from esper_bus.records import Batch, RawRecord, StreamKey, record_data
from esper_schemas.errors import EsperError, Refused

Recover = Callable[[str], Mapping[StreamKey, int]]
"""Given a run: for each stream in its log, the number after its last event."""
MayWrite = Callable[[str | None, str, str], bool]
"""Whether this client, None without keys, may send the events of a run and producer."""
NameOf = Callable[[str | None], str]
"""What a client is called in messages."""


class LinkCounters(msgspec.Struct):
    """What went wrong between the trainers of one run and the aggregator.

    `gaps` counts events that are lost for good, `duplicates` events that were received again, `rejected`
    messages that were malformed or not permitted, `refused` refused connections of any run;
    `duplicate_producers` names the producers as which more than one living trainer writes at present.
    """

    gaps: int = 0
    duplicates: int = 0
    rejected: int = 0
    duplicate_producers: tuple[str, ...] = ()
    refused: int = 0


class _Stream:
    """What the aggregator knows of one stream."""

    __slots__ = (
        "asked_at",
        "asked_for",
        "client",
        "expected",
        "first_unflushed",
        "key",
        "peer",
        "unflushed_bytes",
    )

    def __init__(self, key: StreamKey, next_seq: int, client: str | None) -> None:
        self.key = key
        self.client = client  # the key it was opened with; no other client may continue it
        self.peer = b""
        self.expected = ExpectedSequence(next_seq)
        self.first_unflushed = next_seq  # the first event that is not known to be in the log
        self.unflushed_bytes = 0
        self.asked_for = -1
        self.asked_at = 0.0

    def skip_to(self, first: int) -> int:
        """Expect event `first` unless a later one is expected; returns how many events are lost."""
        flushed = self.first_unflushed == self.expected.next_seq
        lost = self.expected.skip_to(first)
        if lost and flushed:
            self.first_unflushed = first
        return lost

    def mark_flushed(self) -> None:
        """All events that were taken are in the log."""
        self.first_unflushed = self.expected.next_seq
        self.unflushed_bytes = 0

    def exceeds_credit(self, batch: Batch) -> bool:
        """Whether a trainer sends more than it was granted; one event may exceed the granted bytes."""
        events = batch.end - self.first_unflushed
        return events > CREDIT_EVENTS or self.unflushed_bytes > CREDIT_BYTES + MAX_EVENT_BYTES


class Receiver:
    """Takes each event of every stream exactly once and in order; answers trainers.

    `rejected` counts rejected messages of all peers, `unidentified` those of peers without a stream: of
    another protocol version, with a key that is not permitted, or not a message at all.
    """

    def __init__(
        self, agg_epoch: int, recover: Recover, may_write: MayWrite | None = None, name_of: NameOf = str
    ) -> None:
        self.rejected = 0
        self.unidentified = 0
        self._may_write = may_write or (lambda client, run, producer: True)
        self._name_of = name_of
        self._agg_epoch = agg_epoch
        self._recover = recover
        self._recovered: dict[str, Mapping[StreamKey, int]] = {}
        self._streams: dict[StreamKey, _Stream] = {}
        self._of_peer: dict[tuple[bytes, int], _Stream] = {}
        self._run_of_peer: dict[bytes, str] = {}
        self._counters: dict[str, LinkCounters] = {}
        self._duplicate_producers = DuplicateProducers()
        self._last_message_ns: dict[str, int] = {}
        self._unacknowledged: set[StreamKey] = set()
        self._answers: list[tuple[bytes, Frames]] = []

    def receive(
        self, peer: bytes, frames: list[bytes], now: float, now_ns: int, client: str | None = None
    ) -> list[RawRecord]:
        """The new events of one message; whatever is wrong with it is counted, never raised.

        `client` is the public key that the message came with, None without keys.
        """
        try:
            message = parse(frames)
        except VersionError as error:
            self._reject(peer)
            self._answer(peer, Error("version", _version_text(str(error))))
            return []
        except FrameError:
            self._reject(peer)
            return []
        return self._apply(peer, message, now, now_ns, client)

    def mark_flushed(self) -> None:
        """Everything that `receive` and `adopt` returned is in the log now: acknowledge it."""
        for key in self._unacknowledged:
            stream = self._streams[key]
            stream.mark_flushed()
            if stream.peer:
                self._acknowledge(stream)
        self._unacknowledged.clear()

    def adopt(self, records: Sequence[RawRecord]) -> list[RawRecord]:
        """The new events of a dead trainer's spool; `records` are consecutive, of one stream.

        They count as received: call `mark_flushed` once they are in the log. Raises `Refused` where the
        stream cannot be followed.
        """
        first = records[0].seq
        stream = self._stream(records[0].stream, None)
        self._skip_lost(stream, first)
        fresh = list(records[stream.expected.repeated(first, len(records)) :])
        self._take(stream, fresh)
        return fresh

    def take_answers(self) -> list[tuple[bytes, Frames]]:
        """Messages to send, each with the peer it is for; they count as sent."""
        answers, self._answers = self._answers, []
        return answers

    def counters(self, run: str) -> LinkCounters:
        """The counters of a run."""
        return self._counters.setdefault(run, LinkCounters())

    def update_duplicate_producers(self, run: str, now: float) -> None:
        """Bring the `duplicate_producers` among the counters of a run up to date."""
        self.counters(run).duplicate_producers = self._duplicate_producers.of(run, now)

    def last_message_ns(self, run: str) -> int | None:
        """When the last message of a trainer of the run was received, nanoseconds since 1970."""
        return self._last_message_ns.get(run)

    def _apply(
        self, peer: bytes, message: Message, now: float, now_ns: int, client: str | None
    ) -> list[RawRecord]:
        if isinstance(message, Hello):
            self._hello(peer, message, now, now_ns, client)
            return []
        if not isinstance(message, Data | Ping | Bye):
            self._reject(peer)
            return []
        stream = self._of_peer.get((peer, message.epoch))
        if stream is None:
            self._answer(peer, Error("unknown", "Say HELLO first."))
            return []
        if not self._owns(client, stream):  # the name of a connection can be taken over, a key cannot
            self._reject(peer)
            self._answer(peer, Error("refused", _not_permitted(self._name_of(client), stream.key)))
            return []
        self._note_message(stream.key, now, now_ns)
        if isinstance(message, Data):
            return self._data(stream, message.batch, now, now_ns)
        self._position(stream, message, now)
        return []

    def _reject(self, peer: bytes) -> None:
        self.rejected += 1
        if peer in self._run_of_peer:
            self.counters(self._run_of_peer[peer]).rejected += 1
        else:
            self.unidentified += 1

    def _owns(self, client: str | None, stream: _Stream) -> bool:
        return client == stream.client and self._may_write(client, stream.key.run, stream.key.producer)

    def _note_message(self, key: StreamKey, now: float, now_ns: int) -> None:
        self._last_message_ns[key.run] = now_ns
        self._duplicate_producers.note_message(key, now)

    def _hello(self, peer: bytes, hello: Hello, now: float, now_ns: int, client: str | None) -> None:
        key = StreamKey(hello.run, hello.producer, hello.epoch)
        try:
            if not self._may_write(client, key.run, key.producer):
                raise Refused(_not_permitted(self._name_of(client), key))
            stream = self._stream(key, client)
            if not stream.peer:  # so far known only from its spool, which has no key
                stream.client = client
            if stream.client != client:
                raise Refused(_not_permitted(self._name_of(client), key))
        except (EsperError, OSError) as error:
            self._reject(peer)
            self._answer(peer, Error("refused", str(error)))
            return
        self._note_message(key, now, now_ns)
        self._bind(peer, stream)
        self._skip_lost(stream, hello.first)
        self._resume(stream, now)
        self._acknowledge(stream)

    def _stream(self, key: StreamKey, client: str | None) -> _Stream:
        if key in self._streams:
            return self._streams[key]
        if len(self._streams) >= MAX_STREAMS:
            raise Refused("The aggregator follows too many trainers; restart it.")
        if key.run not in self._recovered:
            self._recovered[key.run] = self._recover(key.run)
        next_seq = self._recovered[key.run].get(key, 0)
        return self._streams.setdefault(key, _Stream(key, next_seq, client))

    def _bind(self, peer: bytes, stream: _Stream) -> None:
        self._of_peer.pop((stream.peer, stream.key.epoch), None)
        self._run_of_peer.pop(stream.peer, None)
        stream.peer = peer
        self._of_peer[peer, stream.key.epoch] = stream
        self._run_of_peer[peer] = stream.key.run

    def _skip_lost(self, stream: _Stream, first: int) -> None:
        self.counters(stream.key.run).gaps += stream.skip_to(first)

    def _data(self, stream: _Stream, batch: Batch, now: float, now_ns: int) -> list[RawRecord]:
        if stream.expected.missing_before(batch.first):
            self._resume_once(stream, now)
            return []
        if stream.exceeds_credit(batch):
            self._reject(stream.peer)
            return []
        repeated = stream.expected.repeated(batch.first, len(batch.entries))
        self.counters(stream.key.run).duplicates += repeated
        fresh = [
            RawRecord(stream.key, seq, emitted_ns, now_ns, data)
            for seq, (emitted_ns, data) in enumerate(batch.entries[repeated:], batch.first + repeated)
        ]
        self._take(stream, fresh)
        return fresh

    def _take(self, stream: _Stream, fresh: list[RawRecord]) -> None:
        stream.expected.next_seq += len(fresh)
        stream.unflushed_bytes += sum(map(len, map(record_data, fresh)))
        self._unacknowledged.add(stream.key)

    def _position(self, stream: _Stream, message: Ping | Bye, now: float) -> None:
        theirs = message.next if isinstance(message, Ping) else message.final
        if stream.expected.missing_before(theirs):
            self._resume_once(stream, now)
        elif isinstance(message, Bye):
            self._unacknowledged.add(stream.key)
        else:
            self._acknowledge(stream)  # answers a PING, and replaces an ACK that got lost

    def _resume_once(self, stream: _Stream, now: float) -> None:
        """Ask once for the events of a gap: every message behind it shows the same gap again."""
        if stream.asked_for != stream.expected.next_seq or now - stream.asked_at >= SAME_RESUME_S:
            self._resume(stream, now)

    def _resume(self, stream: _Stream, now: float) -> None:
        stream.asked_for, stream.asked_at = stream.expected.next_seq, now
        self._grant(stream, Resume, stream.expected.next_seq)

    def _acknowledge(self, stream: _Stream) -> None:
        self._grant(stream, Ack, stream.first_unflushed)

    def _grant(self, stream: _Stream, kind: type[Resume] | type[Ack], expect: int) -> None:
        """Events that cannot be logged at present use up the credit, however often a trainer reconnects."""
        unflushed = expect - stream.first_unflushed
        events = max(0, CREDIT_EVENTS - unflushed)
        size = max(0, CREDIT_BYTES - (stream.unflushed_bytes if unflushed > 0 else 0))
        grant = kind(self._agg_epoch, stream.key.epoch, expect, events, size)
        self._answer(stream.peer, grant)

    def _answer(self, peer: bytes, message: Message) -> None:
        self._answers.append((peer, encode(message)))


def _version_text(theirs: str) -> str:
    return (
        f"The aggregator speaks version {VERSION} of the protocol and the trainer {theirs}; "
        "install the same esper-lite on both."
    )


def _not_permitted(name: str, key: StreamKey) -> str:
    return (
        f"The key {name!r} may not send events of {key.run}/{key.producer}; allow that producer where the "
        "key is made (`esper keys add`), or use another key."
    )
