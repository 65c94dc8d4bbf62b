"""When to poll the source and when to redraw a panel: rarely while nothing is new."""

from dataclasses import dataclass

INTERVALS_S: dict[str, float] = {"header": 0.0, "time_bar": 0.0, "losses": 0.1, "heads": 0.1, "findings": 0.1}
"""The shortest time between two redraws of a panel."""

DEFAULT_INTERVAL_S = 0.25
"""The interval of every other panel."""

AGE_INTERVAL_S = 0.2
"""How often ages are redrawn while nothing else happens."""


def is_due(panel: str, drawn_at: float | None, now: float) -> bool:
    """Whether a panel with new content may be redrawn; times are seconds of one clock."""
    return drawn_at is None or now - drawn_at >= INTERVALS_S.get(panel, DEFAULT_INTERVAL_S)


FASTEST, SLOWEST = 20.0, 1.0
"""Bounds of the chosen rate, in frames per second."""

PAUSED_RATE = 2.0
"""While the display is paused only ages and the link change."""

QUIET_RATE, QUIET_AFTER_S = 5.0, 2.0
"""The polling rate after a while without news; a delay of a fifth of a second is not noticed."""


@dataclass(slots=True)
class RedrawRate:
    """Frames per second: the chosen rate, reduced while there is nothing to draw."""

    chosen: float = FASTEST
    _newest: object = None
    _since: float = 0.0

    def choose(self, rate: float) -> None:
        """Set the chosen rate, within bounds."""
        self.chosen = min(max(rate, SLOWEST), FASTEST)

    def rate(self, newest: object, paused: bool, now: float) -> float:
        """The rate from now on (seconds of one clock), given the newest snapshot."""
        if newest is not self._newest:
            self._newest, self._since = newest, now
        if paused:
            return min(self.chosen, PAUSED_RATE)
        return self.chosen if now - self._since < QUIET_AFTER_S else min(self.chosen, QUIET_RATE)
