"""When to look for new events: within milliseconds if they are rare, every 20 ms if they are frequent.

The queue is polled for a while after each event, so that a training thread that goes on emitting does not
need to wake the writer thread: that would cost it more than everything else it does for an event.
"""

POLL_S = 0.003
"""Interval between two polls while events are rare."""
LONGEST_S = 0.02
FREQUENT_PER_S = 500.0
"""From this rate on events are frequent, and the interval grows."""
IDLE_AFTER_S = 0.1
"""After this long without an event, polling stops until a wake-up."""


class PollingInterval:
    """Decides when to drain a queue next; `drain_at` is None while a wake-up is awaited."""

    def __init__(self) -> None:
        self.drain_at: float | None = None
        self._interval = POLL_S
        self._last_event_at = 0.0

    def start(self, now: float) -> None:
        """Start to poll, if that has stopped: an event has arrived."""
        if self.drain_at is None:
            self.drain_at = self._last_event_at = now

    def is_due(self, now: float) -> bool:
        """Whether to drain now."""
        return self.drain_at is not None and now >= self.drain_at

    def drained(self, now: float, count: int, *, more: bool = False) -> None:
        """Schedule the next drain after one that found `count` events; `more` are left."""
        if more:
            self.drain_at = now
            return
        if count:
            self._last_event_at = now
        elif now - self._last_event_at >= IDLE_AFTER_S:
            self.drain_at, self._interval = None, POLL_S
            return
        frequent = count >= FREQUENT_PER_S * self._interval
        self._interval = min(LONGEST_S, 2 * self._interval) if frequent else POLL_S
        self.drain_at = now + self._interval
