"""The trainer's end of KTP/1: what to send next, given what was received and the time.

Pure: without sockets, clocks and files. The time is passed in, events come from an `EventStore`.
"""

from collections import deque
from typing import Protocol

from esper_bus.limits import BATCH_BYTES, BATCH_EVENTS
from esper_bus.protocol.frames import Ack, Bye, Data, Error, Hello, Message, Ping, Resume
from esper_bus.records import Batch, StreamKey, data_size

HELLO_RETRY_S = (0.02, 0.05, 0.1, 0.2)
"""Intervals between the first HELLOs; the last one applies to all further ones."""
REFUSED_RETRY_S = 5.0
PING_AFTER_S = 1.0
HELLO_AFTER_S = 2.0
RENEW_AFTER_S = 5.0
SAME_RESUME_S = 0.2
"""A RESUME that repeats the last one within this time was sent before the answer to that one arrived."""


class EventStore(Protocol):
    """Holds the events that may have to be sent."""

    @property
    def next_seq(self) -> int:
        """The number after the last event that may be sent."""
        ...

    def fetch(self, first: int, max_events: int, max_bytes: int) -> Batch:
        """Consecutive events from `first` on, or from the first one after it that still exists."""
        ...


class ProducerLink:
    """Sends the events of one stream to an aggregator, in order, as often as necessary.

    `acked` is the number of the first event that is not known to be in the aggregator's log; `problem` is
    the aggregator's reason for refusing the stream, empty if it does not.
    """

    def __init__(self, stream: StreamKey, events: EventStore, now: float, schema_hash: int = 0) -> None:
        self.acked = 0
        self.problem = ""
        self._stream = stream
        self._events = events
        self._schema_hash = schema_hash
        self._agg_epoch: int | None = None
        self._sent = 0  # number of the next event to send
        self._window_end = 0
        self._window_bytes = 0
        self._in_flight: deque[tuple[int, int]] = deque()  # (number after the batch, bytes)
        self._in_flight_bytes = 0
        self._received_at = now
        self._pinged_at = now
        self._renewed_at = now
        self._resumed: tuple[int, int, float] | None = None  # agg_epoch, expect, when
        self._reused = False
        self._bye_sent = False
        self._bye_acknowledged = False
        self._start_hello(now)

    @property
    def streaming(self) -> bool:
        """Whether an aggregator has answered the last HELLO."""
        return self._hello_at is None

    @property
    def complete(self) -> bool:
        """Whether all events are in the aggregator's log."""
        return self.acked >= self._events.next_seq

    @property
    def expects_answer(self) -> bool:
        """Whether a message of the aggregator is due."""
        in_doubt = not self.streaming or not self.complete or self._pinged_at > self._received_at
        return in_doubt or (self._bye_sent and not self._bye_acknowledged)

    @property
    def bye_acknowledged(self) -> bool:
        """Whether an aggregator answered the BYE and has all events."""
        return self._bye_acknowledged

    def next_message(self, now: float, clock_ns: int = 0) -> Message | None:
        """The message to send now, if any; it counts as sent."""
        if self.streaming and self.silent(now):
            self._start_hello(now)
        if self.streaming:
            message = self._next_batch(now) or self._next_ping(now)
            if message is not None or self.streaming:
                return message
        return self._next_hello(now, clock_ns)

    def silent(self, now: float) -> bool:
        """Whether an aggregator that is running would have answered by now."""
        return now - self._received_at > HELLO_AFTER_S

    def bye(self) -> Message | None:
        """The last message, once all events are acknowledged; only once."""
        if self._bye_sent or not self.streaming or not self.complete:
            return None
        self._bye_sent = True
        return Bye(self._stream.epoch, self._events.next_seq)

    def receive(self, message: Message, now: float) -> None:
        """Process a message of the aggregator; a message about another stream is ignored."""
        if isinstance(message, Error):
            self._refused(message, now)
        elif isinstance(message, Resume | Ack | Ping) and message.epoch == self._stream.epoch:
            self._received_at = now
            if isinstance(message, Resume):
                self._resume(message, now)
            elif isinstance(message, Ack):
                self._ack(message, now)
            # The answer may come from another aggregator, which lacks some of the events.
            self._bye_acknowledged = self._bye_sent and self.complete

    def renewal_due(self, now: float) -> bool:
        """Whether nothing was received for so long that a new socket may help."""
        return now >= self.renewal_at()

    def renewed(self, now: float) -> None:
        """The socket was replaced: say HELLO on the new one."""
        self._renewed_at = now
        self._start_hello(now)

    def wake_at(self) -> float:
        """When to call `next_message` and `renewal_due` again if nothing is received until then."""
        if self._hello_at is not None:
            return min(self._hello_at, self.renewal_at())
        ping_at = max(self._received_at, self._pinged_at) + PING_AFTER_S
        return min(ping_at, self._received_at + HELLO_AFTER_S, self.renewal_at())

    def renewal_at(self) -> float:
        """When a new socket may help, if nothing is received until then."""
        return max(self._received_at, self._renewed_at) + RENEW_AFTER_S

    def _start_hello(self, now: float, floor: int = 0) -> None:
        self._floor = floor  # the first event that can still be sent
        self._hello_at: float | None = now
        self._hellos = 0

    def _next_hello(self, now: float, clock_ns: int) -> Message | None:
        if self._hello_at is None or now < self._hello_at:
            return None
        retry = HELLO_RETRY_S[min(self._hellos, len(HELLO_RETRY_S) - 1)]
        self._hello_at = now + (REFUSED_RETRY_S if self.problem else retry)
        self._hellos += 1
        return Hello(
            run=self._stream.run,
            producer=self._stream.producer,
            epoch=self._stream.epoch,
            first=self._floor,
            next=max(self._floor, self._events.next_seq),
            schema_hash=self._schema_hash,
            clock_ns=clock_ns,
        )

    def _next_batch(self, now: float) -> Message | None:
        room = min(self._window_end, self._events.next_seq) - self._sent
        room_bytes = self._window_bytes - self._in_flight_bytes
        if room <= 0 or room_bytes <= 0:
            return None
        batch = self._events.fetch(self._sent, min(room, BATCH_EVENTS), min(room_bytes, BATCH_BYTES))
        if not batch.entries:
            return None
        if batch.first != self._sent:
            self._pass_over(batch.first, now)
            return None
        self._count_sent(batch)
        return Data(self._stream.epoch, batch)

    def _pass_over(self, available: int, now: float) -> None:
        """Tell the aggregator that the events before `available` are lost, or it would ask for them for ever.

        Only once it has asked for exactly these: the events before them may have been lost on the way.
        """
        asked_for = self._resumed is not None and self._resumed[1] == self._sent
        self._start_hello(now, floor=available if asked_for else 0)

    def _count_sent(self, batch: Batch) -> None:
        size = data_size(batch.entries)
        self._sent = batch.end
        self._in_flight.append((self._sent, size))
        self._in_flight_bytes += size

    def _next_ping(self, now: float) -> Message | None:
        if now - max(self._received_at, self._pinged_at) < PING_AFTER_S:
            return None
        self._pinged_at = now
        return Ping(self._stream.epoch, self._sent)

    def _resume(self, resume: Resume, now: float) -> None:
        self._reused = self._reused or resume.expect > self._events.next_seq
        if self._reused:  # also once there are as many events here: they are different ones
            self._refused(Error("refused", _REUSED), now)
            return
        if self._is_stale(resume, now):
            return
        if resume.agg_epoch != self._agg_epoch:
            self.acked = min(self.acked, resume.expect)
        self._agg_epoch = resume.agg_epoch
        self._resumed = (resume.agg_epoch, resume.expect, now)
        self._hello_at = None
        self.problem = ""
        self._sent = resume.expect
        self._window_end = resume.expect + resume.credit_events
        self._window_bytes = resume.credit_bytes
        self._in_flight.clear()
        self._in_flight_bytes = 0

    def _is_stale(self, resume: Resume, now: float) -> bool:
        if not self.streaming or resume.agg_epoch != self._agg_epoch or self._resumed is None:
            return False
        agg_epoch, expect, when = self._resumed
        repeated = (agg_epoch, expect) == (resume.agg_epoch, resume.expect)
        return resume.expect < self.acked or (repeated and now - when < SAME_RESUME_S)

    def _ack(self, ack: Ack, now: float) -> None:
        if ack.agg_epoch != self._agg_epoch:
            if self.streaming:  # another aggregator than the one that answered the HELLO
                self._start_hello(now)
            return
        if ack.expect > self._events.next_seq:
            return
        self.acked = max(self.acked, ack.expect)
        self._sent = max(self._sent, ack.expect)
        self._window_end = max(self._window_end, ack.expect + ack.credit_events)
        self._window_bytes = ack.credit_bytes
        while self._in_flight and self._in_flight[0][0] <= ack.expect:
            self._in_flight_bytes -= self._in_flight.popleft()[1]

    def _refused(self, error: Error, now: float) -> None:
        self._received_at = now
        if error.code == "unknown":
            if self.streaming:
                self._start_hello(now)
            return
        self.problem = error.text
        self._start_hello(now)
        self._hello_at = now + REFUSED_RETRY_S


_REUSED = "The aggregator has more events of this epoch than exist here; restart the trainer."
