"""The events of one stream that may have to be sent again: recent ones in memory, all in the spool."""

from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice

from esper_bus.limits import READ_AHEAD_BYTES, RESEND_BYTES, RESEND_EVENTS
from esper_bus.records import Batch, Entry, data_size, entry_data, take_batch

ReadSpool = Callable[[int, int, int], Batch | None]
"""Reads events as `EventStore.fetch` does: an empty batch where there are none, None if reading failed."""
_NOTHING = Batch(0, ())


class ResendBuffer:
    """Keeps the last events until they are in the spool and acknowledged, and all events that are neither.

    The events that wait for an acknowledgement mostly fit into a processor's cache; if they were kept longer,
    every new event would be stored in memory that was not touched for long.
    """

    def __init__(self, read_spool: ReadSpool) -> None:
        self._read_spool = read_spool
        self._ahead = _NOTHING  # read from the spool
        self._recent: deque[Entry] = deque()
        self._recent_bytes = 0
        self._held_bytes = 0
        self._next = 0
        self._safe = 0  # all before are in the spool or acknowledged

    @property
    def next_seq(self) -> int:
        """The number of the next event."""
        return self._next

    @property
    def first_seq(self) -> int:
        """The number of the first event in memory."""
        return self._next - len(self._recent)

    @property
    def held_count(self) -> int:
        """How many events exist only in memory."""
        return self._next - self._safe

    @property
    def held_bytes(self) -> int:
        """Bytes of the events that exist only in memory."""
        return self._held_bytes

    def append(self, entries: Sequence[Entry]) -> None:
        """Add the next events."""
        size = data_size(entries)
        self._recent.extend(entries)
        self._recent_bytes += size
        self._held_bytes += size
        self._next += len(entries)

    def held(self) -> Batch:
        """The events that exist only in memory."""
        return Batch(self._safe, list(islice(self._recent, len(self._recent) - self.held_count, None)))

    def mark_safe(self, end: int) -> None:
        """The events before `end` are in the spool or acknowledged."""
        count = min(end, self._next) - self._safe
        if count <= 0:
            return
        self._held_bytes -= data_size(self.held().entries[:count])
        self._safe += count
        while len(self._recent) > self.held_count and self._is_full():
            self._drop_first(1)

    def mark_lost(self, end: int) -> int:
        """The spool is gone, the log has only the events before `end`; returns how many are held again."""
        count = self._safe - max(end, self.first_seq)
        if count <= 0:
            return 0
        self._safe -= count
        self._held_bytes = data_size(self.held().entries)
        return count

    def drop_before(self, end: int) -> None:
        """The events before `end` are in the log, and in the spool if they have to be sent again."""
        self._drop_first(min(end, self._safe) - self.first_seq)

    def _drop_first(self, count: int) -> None:
        popleft = self._recent.popleft
        self._recent_bytes -= data_size([popleft() for _ in range(count)])

    def fetch(self, first: int, max_events: int, max_bytes: int) -> Batch:
        """Consecutive events from `first` on, or from the first one after it that still exists.

        The batch is empty while the spool cannot be read: its events are late, not lost.
        """
        start = self.first_seq
        if first < start:
            spooled = self._spooled(first)
            if spooled is None:
                return Batch(first, ())
            if spooled.entries and spooled.first < start:
                return spooled.part(first, max_events, max_bytes)
        self._ahead = _NOTHING
        first = max(first, start)
        rest = islice(self._recent, first - start, None)
        return Batch(first, take_batch(rest, max_events, max_bytes, entry_data))

    def _spooled(self, first: int) -> Batch | None:
        """Events of the spool, `first` among them; a read costs a whole chunk, so each returns many."""
        if not self._ahead.first <= first < self._ahead.end:
            batch = self._read_spool(first, RESEND_EVENTS, READ_AHEAD_BYTES)
            if batch is None:
                return None
            self._ahead = batch
        return self._ahead

    def _is_full(self) -> bool:
        return len(self._recent) > RESEND_EVENTS or self._recent_bytes > RESEND_BYTES
