"""How often to look and to draw: what has nothing new, or is read at leisure, is not drawn at every tick."""

from dataclasses import dataclass

INTERVALS_S: dict[str, float] = {"header": 0.0, "losses": 0.1, "heads": 0.1, "findings": 0.1}
"""At least so long between two pictures of a panel."""

DEFAULT_INTERVAL_S = 0.25
"""The interval of every other panel."""

AGE_INTERVAL_S = 0.2
"""How often ages are drawn while nothing else happens."""


def is_due(panel: str, drawn_at: float | None, now: float) -> bool:
    """Whether a panel that has something new to show may show it; times are seconds of one clock."""
    return drawn_at is None or now - drawn_at >= INTERVALS_S.get(panel, DEFAULT_INTERVAL_S)


FASTEST, SLOWEST = 20.0, 1.0
"""Pictures per second that can be chosen."""

HELD_RATE = 2.0
"""While the picture is held only ages and the link change."""

QUIET_RATE, QUIET_AFTER_S = 5.0, 2.0
"""How often it is asked for news when there was none for a while; nobody sees a fifth of a second."""


@dataclass(slots=True)
class RedrawRate:
    """Pictures per second: as many as were chosen, fewer while there is nothing to draw."""

    chosen: float = FASTEST
    _newest: object = None
    _since: float = 0.0

    def choose(self, rate: float) -> None:
        """Draw so often from now on, within bounds."""
        self.chosen = min(max(rate, SLOWEST), FASTEST)

    def rate(self, newest: object, held: bool, now: float) -> float:
        """How often to draw from now (seconds of one clock) on, given the newest picture there is."""
        if newest is not self._newest:
            self._newest, self._since = newest, now
        if held:
            return min(self.chosen, HELD_RATE)
        return self.chosen if now - self._since < QUIET_AFTER_S else min(self.chosen, QUIET_RATE)
