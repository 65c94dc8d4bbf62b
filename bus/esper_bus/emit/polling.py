"""When to look for new events: within milliseconds if they are rare, every 20 ms if they are many.

After an event the next ones are looked for, so that a training thread that goes on emitting need not wake
anybody: waking a thread costs it more than everything else that it does for an event.
"""

LOOK_S = 0.003
"""Pause between two looks, while events are rare."""
LONGEST_S = 0.02
MANY_PER_S = 500.0
"""Events are many if they come as fast; then pauses grow."""
REST_AFTER_S = 0.1
"""After so long a silence a wake-up is awaited."""


class PollingInterval:
    """Decides when to drain a queue next; `drain_at` is None while a wake-up is awaited."""

    def __init__(self) -> None:
        self.drain_at: float | None = None
        self._pause = LOOK_S
        self._found_at = 0.0

    def woken(self, now: float) -> None:
        """The first event after a silence is there."""
        if self.drain_at is None:
            self.drain_at = self._found_at = now

    def due(self, now: float) -> bool:
        """Whether to drain now."""
        return self.drain_at is not None and now >= self.drain_at

    def drained(self, now: float, count: int, *, more: bool = False) -> None:
        """A drain brought `count` events; `more` are left."""
        if more:
            self.drain_at = now
            return
        if count:
            self._found_at = now
        elif now - self._found_at >= REST_AFTER_S:
            self.drain_at, self._pause = None, LOOK_S
            return
        many = count >= MANY_PER_S * self._pause
        self._pause = min(LONGEST_S, 2 * self._pause) if many else LOOK_S
        self.drain_at = now + self._pause
