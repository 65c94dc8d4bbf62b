"""The aggregator's end of KTP/1: which events are new, and what to answer.

Knows no socket, clock or file: time is passed in, answers are collected for whoever owns the
socket. An event counts as safe only after `flushed` was called.
"""

from collections.abc import Callable, Sequence

import msgspec

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
from esper_bus.records import Batch, RawRecord, StreamKey
from esper_schemas.errors import EsperError, Refused

Recover = Callable[[str], dict[tuple[str, int], int]]
"""Given a run: for each (producer, epoch) in its log, the number after its last event."""
MayWrite = Callable[[str | None, str, str], bool]
"""Whether this client, None without keys, may send the events of a run and producer."""
NameOf = Callable[[str | None], str]
"""What a client is called in messages."""


class LinkCounters(msgspec.Struct):
    """What went wrong on the way from the trainers of one run.

    `gaps` counts events that are lost for good, `duplicates` events that came again, `rejected`
    messages that were not understood, `refused` those who were not let in, whatever their run; `rivals`
    are the names that more than one living trainer uses now.
    """

    gaps: int = 0
    duplicates: int = 0
    rejected: int = 0
    rivals: tuple[str, ...] = ()
    refused: int = 0


class _Stream:
    """What the aggregator knows of one stream."""

    __slots__ = ("asked_at", "asked_for", "client", "expect", "flushed", "key", "peer", "waiting_bytes")

    def __init__(self, key: StreamKey, expect: int, client: str | None) -> None:
        self.key = key
        self.client = client  # the key that it came with first; no other may continue it
        self.peer = b""
        self.expect = expect  # the next event to take
        self.flushed = expect  # the first event that is not known to be in the log
        self.waiting_bytes = 0  # of the events that were taken and are not known to be in the log
        self.asked_for = -1
        self.asked_at = 0.0


class Receiver:
    """Takes each event of every stream exactly once and in order; answers trainers.

    `rejected` counts the messages that were refused, whoever sent them, `strangers` those among them
    whose sender has no stream here: a version that is not ours, a key that may not, no message at all.
    """

    def __init__(
        self, agg_epoch: int, recover: Recover, may_write: MayWrite | None = None, name_of: NameOf = str
    ) -> None:
        self.rejected = 0
        self.strangers = 0
        self._may_write = may_write or (lambda client, run, producer: True)
        self._name_of = name_of
        self._agg_epoch = agg_epoch
        self._recover = recover
        self._recovered: dict[str, dict[tuple[str, int], int]] = {}
        self._streams: dict[StreamKey, _Stream] = {}
        self._of_peer: dict[tuple[bytes, int], _Stream] = {}
        self._run_of_peer: dict[bytes, str] = {}
        self._counters: dict[str, LinkCounters] = {}
        self._rivals = DuplicateProducers()
        self._heard_ns: dict[str, int] = {}
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

    def flushed(self) -> None:
        """Everything that `receive` returned is in the log now: acknowledge it."""
        for key in self._unacknowledged:
            stream = self._streams[key]
            stream.flushed = stream.expect
            stream.waiting_bytes = 0
            if stream.peer:
                self._acknowledge(stream)
        self._unacknowledged.clear()

    def adopt(self, records: Sequence[RawRecord]) -> list[RawRecord]:
        """The events of a dead trainer's spool that are new; `records` are consecutive, of one stream.

        They count as received: tell `flushed` when they are in the log. Raises `Refused` where the
        stream cannot be followed.
        """
        stream = self._stream(records[0].stream, None)
        self._skip_lost(stream, records[0].seq)
        fresh = [record for record in records if record.seq >= stream.expect]
        self._take(stream, fresh)
        return fresh

    def take_answers(self) -> list[tuple[bytes, Frames]]:
        """Messages to send, each with the peer that it is for; they count as sent."""
        answers, self._answers = self._answers, []
        return answers

    def counters(self, run: str) -> LinkCounters:
        """The counters of a run."""
        return self._counters.setdefault(run, LinkCounters())

    def look_for_rivals(self, run: str, now: float) -> None:
        """Bring the `rivals` among the counters of a run up to date."""
        self.counters(run).rivals = self._rivals.of(run, now)

    def heard_ns(self, run: str) -> int | None:
        """When a trainer of the run last said anything, nanoseconds since 1970."""
        return self._heard_ns.get(run)

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
        if not self._owns(client, stream):  # a name of a connection can be taken over, a key cannot
            self._reject(peer)
            self._answer(peer, Error("refused", _not_yours(self._name_of(client), stream.key)))
            return []
        self._heard_ns[stream.key.run] = now_ns
        self._rivals.heard(stream.key, now)
        if isinstance(message, Data):
            return self._data(stream, message, now, now_ns)
        self._position(stream, message, now)
        return []

    def _reject(self, peer: bytes) -> None:
        self.rejected += 1
        if peer in self._run_of_peer:
            self.counters(self._run_of_peer[peer]).rejected += 1
        else:
            self.strangers += 1

    def _owns(self, client: str | None, stream: _Stream) -> bool:
        return client == stream.client and self._may_write(client, stream.key.run, stream.key.producer)

    def _hello(self, peer: bytes, hello: Hello, now: float, now_ns: int, client: str | None) -> None:
        key = StreamKey(hello.run, hello.producer, hello.epoch)
        try:
            if not self._may_write(client, key.run, key.producer):
                raise Refused(_not_yours(self._name_of(client), key))
            stream = self._stream(key, client)
            if not stream.peer:  # so far known only from its spool, which has no key
                stream.client = client
            if stream.client != client:
                raise Refused(_not_yours(self._name_of(client), key))
        except (EsperError, OSError) as error:
            self._reject(peer)
            self._answer(peer, Error("refused", str(error)))
            return
        self._heard_ns[key.run] = now_ns
        self._rivals.heard(key, now)
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
        expect = self._recovered[key.run].get((key.producer, key.epoch), 0)
        return self._streams.setdefault(key, _Stream(key, expect, client))

    def _bind(self, peer: bytes, stream: _Stream) -> None:
        self._of_peer.pop((stream.peer, stream.key.epoch), None)
        self._run_of_peer.pop(stream.peer, None)
        stream.peer = peer
        self._of_peer[peer, stream.key.epoch] = stream
        self._run_of_peer[peer] = stream.key.run

    def _skip_lost(self, stream: _Stream, first: int) -> None:
        if first <= stream.expect:
            return
        self.counters(stream.key.run).gaps += first - stream.expect
        if stream.flushed == stream.expect:
            stream.flushed = first
        stream.expect = first

    def _data(self, stream: _Stream, data: Data, now: float, now_ns: int) -> list[RawRecord]:
        batch = data.batch
        if batch.first > stream.expect:
            self._resume_once(stream, now)
            return []
        if self._exceeds_credit(stream, batch):
            self._reject(stream.peer)
            return []
        known = min(stream.expect - batch.first, len(batch.entries))
        if known:
            self.counters(stream.key.run).duplicates += known
        fresh = [
            RawRecord(stream.key, seq, emitted_ns, now_ns, payload)
            for seq, (emitted_ns, payload) in enumerate(batch.entries[known:], batch.first + known)
        ]
        self._take(stream, fresh)
        return fresh

    def _take(self, stream: _Stream, fresh: list[RawRecord]) -> None:
        stream.expect += len(fresh)
        stream.waiting_bytes += sum(len(record.data) for record in fresh)
        self._unacknowledged.add(stream.key)

    def _position(self, stream: _Stream, message: Ping | Bye, now: float) -> None:
        theirs = message.next if isinstance(message, Ping) else message.final
        if theirs > stream.expect:
            self._resume_once(stream, now)
        elif isinstance(message, Bye):
            self._unacknowledged.add(stream.key)
        else:
            self._acknowledge(stream)  # a sign of life that also replaces an ACK that got lost

    def _resume_once(self, stream: _Stream, now: float) -> None:
        """Ask once for a hole: every message behind it shows the same hole again."""
        if stream.asked_for != stream.expect or now - stream.asked_at >= SAME_RESUME_S:
            self._resume(stream, now)

    def _resume(self, stream: _Stream, now: float) -> None:
        stream.asked_for, stream.asked_at = stream.expect, now
        self._grant(stream, Resume, stream.expect)

    def _acknowledge(self, stream: _Stream) -> None:
        self._grant(stream, Ack, stream.flushed)

    def _grant(self, stream: _Stream, kind: type[Resume] | type[Ack], expect: int) -> None:
        """What waits for a log that cannot be written uses up the credit, however often it is asked for."""
        events = max(0, CREDIT_EVENTS - (expect - stream.flushed))
        size = max(0, CREDIT_BYTES - (stream.waiting_bytes if expect > stream.flushed else 0))
        grant = kind(self._agg_epoch, stream.key.epoch, expect, events, size)
        self._answer(stream.peer, grant)

    def _exceeds_credit(self, stream: _Stream, batch: Batch) -> bool:
        """Whether a trainer sends more than it was granted; one event may exceed the granted bytes."""
        behind = batch.end > stream.flushed + CREDIT_EVENTS
        return behind or stream.waiting_bytes > CREDIT_BYTES + MAX_EVENT_BYTES

    def _answer(self, peer: bytes, message: Message) -> None:
        self._answers.append((peer, encode(message)))


def _version_text(theirs: str) -> str:
    return (
        f"The aggregator speaks version {VERSION} of the protocol and the trainer {theirs}; "
        "install the same esper-lite on both."
    )


def _not_yours(name: str, key: StreamKey) -> str:
    return (
        f"The key {name!r} may not send events of {key.run}/{key.producer}; name it in --producers of "
        "`esper keys add`, or use another key."
    )
