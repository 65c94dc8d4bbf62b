"""The bounded queue between a training thread, which never waits, and the thread that writes."""

import threading
import time
from collections import deque
from itertools import islice
from operator import itemgetter

from esper_bus.emit.wake_up import WakeUp
from esper_bus.limits import CHUNK_BYTES, MAX_EVENT_BYTES
from esper_bus.records import Entry, take_batch
from esper_schemas.codec import encode_event_into
from esper_schemas.events import Event, EventsDropped

_TAKE_AT_ONCE = 8192
_TAKE_BYTES = CHUNK_BYTES
"""Between two takes the taker can send, and what it writes at once is one chunk, which can be found again."""
_ROOM = 0.9
"""Share of the bounds below which losses are reported, so that the report finds a place."""
_SPARE_BUFFERS = 32
_MOST_SPARE = 512
"""As many events come between two looks at the queue where they are many."""
_BUFFER_BYTES = 16 * 1024


class EmitQueue:
    """Encodes events and takes them up to a number and a size in bytes, and counts what it refuses.

    Any thread may `put`, also from a signal handler; one thread takes. Threads that put at the same moment
    may exceed the bounds by one event each. `idle` asks for a ring of the `doorbell` with the next event.

    Between two events of a training all caches are filled with something else, so that `put` costs what it
    touches: it takes no lock, allocates nothing, and fills a buffer that was filled just before; the taker
    copies and counts.
    """

    __slots__ = (
        "_bytes_limit",
        "_count_limit",
        "_dropped",
        "_dropping",
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
        "doorbell",
        "idle",
    )

    def __init__(self, max_events: int, max_bytes: int) -> None:
        self.idle = False
        self.closed = False
        self.doorbell = WakeUp()
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._items: deque[tuple[int, bytearray]] = deque()
        self._spare = [bytearray(_BUFFER_BYTES) for _ in range(_SPARE_BUFFERS)]
        self._count_limit = max_events  # of what may wait here
        self._put_bytes = self._taken_bytes = self._taken_count = 0
        self._bytes_limit = max_bytes  # of `_put_bytes`: the taker moves it
        self._dropping = threading.RLock()
        self._dropped: dict[str, int] = {}
        self._reported: dict[str, int] = {}
        self._first_drop_ns = self._last_drop_ns = 0

    def __len__(self) -> int:
        return len(self._items)

    @property
    def crowded(self) -> bool:
        """Whether more events wait than one `take` brings."""
        return len(self._items) > _TAKE_AT_ONCE or self._waiting_bytes > _TAKE_BYTES

    @property
    def pressing(self) -> bool:
        """Whether so much waits that taking it comes before everything else."""
        return len(self._items) > self._max_events // 2 or self._waiting_bytes > self._max_bytes // 2

    @property
    def _waiting_bytes(self) -> int:
        return self._put_bytes - self._taken_bytes

    @property
    def offered(self) -> int:
        """How many events came, taken or refused."""
        return self._taken_count + len(self._items) + self.dropped

    @property
    def dropped(self) -> int:
        """How many events were refused."""
        return sum(self._dropped.copy().values())

    def put(self, event: Event) -> None:
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
            self._drop(event, buffer)
            raise
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
        self._items.append((time.time_ns(), buffer))
        if self.idle:
            self.idle = False
            self.doorbell.ring()

    def close(self) -> None:
        """Take nothing from now on."""
        self.closed = True
        self._count_limit = 0

    def take(self) -> list[Entry]:
        """The oldest events, at most some thousand and about a chunk; they leave the queue."""
        taken: list[Entry] = []
        waiting = list(islice(self._items, _TAKE_AT_ONCE))  # in one step of the interpreter
        for emitted_ns, buffer in take_batch(waiting, _TAKE_AT_ONCE, _TAKE_BYTES, itemgetter(1)):
            self._count_limit -= 1  # it occupies space until `account` says that it does not
            self._items.popleft()
            self._taken_count += 1
            self._taken_bytes += len(buffer)
            taken.append((emitted_ns, bytes(buffer)))
            self._give_back(buffer)
        return taken

    def account(self, held_count: int, held_bytes: int) -> None:
        """Free the room of events that were taken, less what the taker still holds in memory."""
        self._count_limit = self._max_events - held_count
        if self.closed:
            self._count_limit = 0
        if not self._items:  # without a lock, threads that put at the same moment may count wrongly
            self._put_bytes = self._taken_bytes
        self._bytes_limit = self._taken_bytes + self._max_bytes - held_bytes

    def losses(self, *, even_if_full: bool = False) -> EventsDropped | None:
        """What was dropped since the last report, once there is room to report it."""
        now = self._dropped.copy()  # one step for the interpreter: no lock that a trainer may wait for
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
        return count > (1 - _ROOM) * self._max_events and size > (1 - _ROOM) * self._max_bytes

    def forget(self) -> None:
        """Count as dropped what nobody will take any more."""
        while self._items:
            self._count_drop("unknown", *self._items.popleft())

    def give_up(self, count: int) -> None:
        """Count as dropped so many of the events that were taken: the taker could not keep them."""
        if count:
            with self._dropping:
                self._taken_count -= count
                self._dropped["unknown"] = self._dropped.get("unknown", 0) + count

    def _drop(self, event: Event, buffer: bytearray) -> None:
        """Count an event that cannot be kept."""
        self._count_drop(type(event).__name__, time.time_ns(), buffer)

    def _count_drop(self, kind: str, now: int, buffer: bytearray) -> None:
        self._give_back(buffer)
        with self._dropping:
            self._first_drop_ns = self._first_drop_ns or now
            self._last_drop_ns = now
            self._dropped[kind] = self._dropped.get(kind, 0) + 1

    def _give_back(self, buffer: bytearray) -> None:
        if len(self._spare) < _MOST_SPARE and len(buffer) <= _BUFFER_BYTES:
            self._spare.append(buffer)
