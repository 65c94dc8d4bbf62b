"""The bounded queue between a training thread, which never waits, and the writer thread."""

import threading
import time
from collections import deque
from itertools import islice
from operator import itemgetter

from esper_bus.emit.wake_up import WakeUp
from esper_bus.limits import CHUNK_BYTES, MAX_EVENT_BYTES
from esper_bus.records import Entry, take_batch
from esper_schemas.codec import encode_event_into, encode_refused_event_into
from esper_schemas.events import Event, EventsDropped

_TAKE_EVENTS = 8192
_TAKE_BYTES = CHUNK_BYTES
"""The taker can send between two takes, and writes each as one chunk, which can be found in the spool."""
_REPORT_BELOW = 0.9
"""Losses are reported once the queue is filled to less than this share, so that the report finds room."""
_INITIAL_BUFFERS = 32
_MAX_BUFFERS = 512
"""As many events as come between two polls of the queue where they are frequent."""
_BUFFER_BYTES = 16 * 1024


class EmitQueue:
    """Encodes and holds events up to a number and a size in bytes, and counts those it refuses.

    Any thread may `put`, also from a signal handler; one thread takes. Threads that put at the same moment
    may exceed the bounds by one event each. With `idle` set, the next event sets `wake_up`.

    Between two events of a training the caches are filled with other data, so that the cost of `put` is the
    memory it touches: it takes no lock, allocates nothing, and fills a buffer that was filled just before;
    the taker copies and counts.
    """

    __slots__ = (
        "_bytes_limit",
        "_count_limit",
        "_drop_lock",
        "_dropped",
        "_first_drop_ns",
        "_items",
        "_last_drop_ns",
        "_max_bytes",
        "_max_events",
        "_put_bytes",
        "_reported",
        "_spare",
        "_taken_bytes",
        "_taken_count",
        "closed",
        "idle",
        "wake_up",
    )

    def __init__(self, max_events: int, max_bytes: int) -> None:
        self.idle = False
        self.closed = False
        self.wake_up = WakeUp()
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._items: deque[tuple[int, bytearray]] = deque()  # entries whose data is still in a buffer
        self._spare = [bytearray(_BUFFER_BYTES) for _ in range(_INITIAL_BUFFERS)]
        self._count_limit = max_events  # of what may wait here
        self._put_bytes = self._taken_bytes = self._taken_count = 0
        self._bytes_limit = max_bytes  # of `_put_bytes`: the taker moves it
        self._drop_lock = threading.RLock()
        self._dropped: dict[str, int] = {}
        self._reported: dict[str, int] = {}
        self._first_drop_ns = self._last_drop_ns = 0

    def __len__(self) -> int:
        return len(self._items)

    @property
    def exceeds_one_take(self) -> bool:
        """Whether more events wait than one `take` returns."""
        return len(self._items) > _TAKE_EVENTS or self._waiting_bytes > _TAKE_BYTES

    @property
    def half_full(self) -> bool:
        """Whether the queue is so full that draining it takes precedence over all other work."""
        return len(self._items) > self._max_events // 2 or self._waiting_bytes > self._max_bytes // 2

    @property
    def _waiting_bytes(self) -> int:
        return self._put_bytes - self._taken_bytes

    @property
    def offered(self) -> int:
        """How many events were put, accepted or refused."""
        return self._taken_count + len(self._items) + self.dropped

    @property
    def dropped(self) -> int:
        """How many events were refused or given up."""
        return sum(self._dropped.copy().values())

    def put(self, event: Event, emitted_ns: int | None = None) -> None:
        """Add an event as it is now, or count it as dropped if there is no room.

        Raises what the encoder raises; the event is counted as dropped then, too.
        """
        try:
            buffer = self._spare.pop()
        except IndexError:
            buffer = bytearray()
        try:
            encode_event_into(event, buffer)
        except Exception:
            self._encode_again(event, buffer)
        size = len(buffer)
        self._put_bytes += size
        if (
            len(self._items) >= self._count_limit
            or self._put_bytes > self._bytes_limit
            or size > MAX_EVENT_BYTES
        ):
            self._put_bytes -= size
            self._drop(event, buffer)
            return
        self._items.append((emitted_ns or time.time_ns(), buffer))
        if self.idle:
            self.idle = False
            self.wake_up.set()

    def _encode_again(self, event: Event, buffer: bytearray) -> None:
        try:
            encode_refused_event_into(event, buffer)
        except Exception:
            self._drop(event, buffer)
            raise

    def close(self) -> None:
        """Refuse all events from now on."""
        self.closed = True
        self._count_limit = 0

    def take(self) -> list[Entry]:
        """Remove and return the oldest events, at most some thousand and about a chunk."""
        taken: list[Entry] = []
        waiting = list(islice(self._items, _TAKE_EVENTS))  # in one step of the interpreter
        for emitted_ns, buffer in take_batch(waiting, _TAKE_EVENTS, _TAKE_BYTES, itemgetter(1)):
            self._count_limit -= 1  # it occupies room until `account` says that it does not
            self._items.popleft()
            self._taken_count += 1
            self._taken_bytes += len(buffer)
            taken.append((emitted_ns, bytes(buffer)))
            self._recycle(buffer)
        return taken

    def account(self, held_count: int, held_bytes: int) -> None:
        """Free the room of events that were taken, except for those the taker still holds in memory."""
        self._count_limit = self._max_events - held_count
        if self.closed:
            self._count_limit = 0
        if not self._items:  # without a lock, threads that put at the same moment may count wrongly
            self._put_bytes = self._taken_bytes
        self._bytes_limit = self._taken_bytes + self._max_bytes - held_bytes

    def losses(self, *, even_if_full: bool = False) -> EventsDropped | None:
        """The events dropped since the last report, once there is room to report them."""
        now = self._dropped.copy()  # one step of the interpreter: no lock that a trainer may wait for
        kinds = {kind: count - self._reported.get(kind, 0) for kind, count in now.items()}
        by_kind = {kind: count for kind, count in kinds.items() if count}
        if not by_kind or not (even_if_full or self._has_room()):
            return None
        self._reported = now
        first_ns, self._first_drop_ns = self._first_drop_ns, 0
        last_ns = self._last_drop_ns
        count = sum(by_kind.values())
        return EventsDropped(count=count, first_ns=first_ns or last_ns, last_ns=last_ns, by_kind=by_kind)

    def _has_room(self) -> bool:
        count = self._count_limit - len(self._items)
        size = self._bytes_limit - self._put_bytes
        free = 1 - _REPORT_BELOW
        return count > free * self._max_events and size > free * self._max_bytes

    def drop_waiting(self) -> None:
        """Count as dropped the events that wait: nothing will take them any more."""
        while self._items:
            self._count_drop("unknown", *self._items.popleft())

    def drop_taken(self, count: int, kind: str = "unknown") -> None:
        """Count as dropped `count` of the events that were taken: the taker could not keep them."""
        if count:
            with self._drop_lock:
                self._first_drop_ns = self._first_drop_ns or time.time_ns()
                self._last_drop_ns = time.time_ns()
                self._taken_count -= count
                self._dropped[kind] = self._dropped.get(kind, 0) + count

    def _drop(self, event: Event, buffer: bytearray) -> None:
        self._count_drop(type(event).__name__, time.time_ns(), buffer)

    def _count_drop(self, kind: str, now: int, buffer: bytearray) -> None:
        self._recycle(buffer)
        with self._drop_lock:
            self._first_drop_ns = self._first_drop_ns or now
            self._last_drop_ns = now
            self._dropped[kind] = self._dropped.get(kind, 0) + 1

    def _recycle(self, buffer: bytearray) -> None:
        if len(self._spare) < _MAX_BUFFERS and len(buffer) <= _BUFFER_BYTES:
            self._spare.append(buffer)
