"""The bounded queue between a training thread, which never waits, and the thread that writes."""

import threading
from collections import deque

from esper_bus.limits import MAX_EVENT_BYTES
from esper_schemas.events import EventsDropped

_TAKE_AT_ONCE = 8192
_ROOM = 0.9
"""Share of the bounds below which losses are reported, so that the report finds a place."""

Encoded = tuple[int, bytes]
"""When an event was emitted, in nanoseconds since 1970, and its bytes."""


class EmitQueue:
    """Takes encoded events up to a number and a size in bytes, and counts what it refuses.

    Any thread may `put`; one thread takes. `idle` asks for a wake-up with the next event.
    """

    __slots__ = (
        "_bytes_limit",
        "_count_limit",
        "_dropped",
        "_first_drop_ns",
        "_items",
        "_last_drop_ns",
        "_max_bytes",
        "_max_events",
        "_put_bytes",
        "_put_count",
        "_putting",
        "_reported",
        "_taken_bytes",
        "_taken_count",
        "closed",
        "idle",
    )

    def __init__(self, max_events: int, max_bytes: int) -> None:
        self.idle = False
        self.closed = False
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._items: deque[Encoded] = deque()
        self._putting = threading.RLock()  # among those who put; also a signal handler may
        # What came and went is counted on each side alone; the taker moves the limits, so that `put`
        # has nothing to compute: it runs with cold caches in the middle of a training.
        self._put_count = self._put_bytes = 0
        self._taken_count = self._taken_bytes = 0
        self._count_limit, self._bytes_limit = max_events, max_bytes
        self._dropped: dict[str, int] = {}
        self._reported: dict[str, int] = {}
        self._first_drop_ns = self._last_drop_ns = 0

    def __len__(self) -> int:
        return len(self._items)

    @property
    def crowded(self) -> bool:
        """Whether more events wait than one `take` brings."""
        return len(self._items) > _TAKE_AT_ONCE

    @property
    def offered(self) -> int:
        """How many events came, taken or refused."""
        return self._put_count + self.dropped

    @property
    def dropped(self) -> int:
        """How many events were refused."""
        return sum(self._dropped.copy().values())

    def put(self, kind: type, emitted_ns: int, data: bytes) -> None:
        """Add an event, or count it as dropped if there is no room."""
        size = len(data)
        with self._putting:
            put_bytes = self._put_bytes + size
            full = self._put_count >= self._count_limit or put_bytes > self._bytes_limit
            if full or self.closed or size > MAX_EVENT_BYTES:
                self.drop(kind, emitted_ns)
                return
            self._put_count += 1
            self._put_bytes = put_bytes
            self._items.append((emitted_ns, data))

    def close(self) -> None:
        """Take nothing from now on; what is being put at this moment is still taken."""
        with self._putting:
            self.closed = True

    def drop(self, kind: type, emitted_ns: int) -> None:
        """Count an event that cannot be kept."""
        name = kind.__name__
        with self._putting:
            self._first_drop_ns = self._first_drop_ns or emitted_ns
            self._last_drop_ns = emitted_ns
            self._dropped[name] = self._dropped.get(name, 0) + 1

    def take(self) -> list[Encoded]:
        """The oldest events, at most some thousand; they leave the queue."""
        items: list[Encoded] = []
        while self._items and len(items) < _TAKE_AT_ONCE:
            items.append(self._items.popleft())
        return items

    def account(self, taken: list[Encoded], held_count: int, held_bytes: int) -> None:
        """Free the room of events that were taken, less what the taker still holds in memory."""
        self._taken_count += len(taken)
        self._taken_bytes += sum(len(data) for _, data in taken)
        self._count_limit = self._taken_count + self._max_events - held_count
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
        count = self._count_limit - self._put_count
        size = self._bytes_limit - self._put_bytes
        return count > (1 - _ROOM) * self._max_events and size > (1 - _ROOM) * self._max_bytes
