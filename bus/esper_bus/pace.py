"""When to look for new events: at once if they are rare, every 20 ms if they are many."""

SHORTEST_S = 0.002
LONGEST_S = 0.02


class Pace:
    """Decides when to drain a queue next; `drain_at` is None while a wake-up is awaited."""

    def __init__(self) -> None:
        self.drain_at: float | None = None
        self._pause = SHORTEST_S

    def woken(self, now: float) -> None:
        """The first event after a silence is there."""
        if self.drain_at is None:
            self.drain_at = now

    def due(self, now: float) -> bool:
        """Whether to drain now."""
        return self.drain_at is not None and now >= self.drain_at

    def drained(self, now: float, count: int, *, more: bool = False) -> None:
        """A drain brought `count` events: wait longer each time, until one brings none."""
        if more:
            self.drain_at = now
            return
        if count == 0:
            self.drain_at = None
            self._pause = SHORTEST_S
            return
        self.drain_at = now + self._pause
        self._pause = min(LONGEST_S, 2 * self._pause)
