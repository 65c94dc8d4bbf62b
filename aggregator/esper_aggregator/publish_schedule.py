"""When snapshots and keepalives are sent to viewers. Pure: the caller passes the time in."""

from typing import Literal

SNAPSHOT_INTERVAL_S = 0.05
"""The shortest time between two snapshots of what has changed; a viewer that joins gets one at once."""

KEEPALIVE_INTERVAL_S = 1.0
"""The longest time without any message to the viewers."""


class PublishSchedule:
    """Decides what is due; `now` is the time in seconds of any clock that never goes back."""

    def __init__(self, now: float) -> None:
        self._published_at = self._sent_at = now

    def due(self, now: float, *, joined: bool, changed: bool) -> Literal["snapshots", "keepalive"] | None:
        """Return what is to be sent now, which counts as sent.

        `joined` tells that there is a new viewer, `changed` that a snapshot would differ from the last one.
        """
        if joined or (changed and now - self._published_at >= SNAPSHOT_INTERVAL_S):
            self._published_at = self._sent_at = now
            return "snapshots"
        if now - self._sent_at >= KEEPALIVE_INTERVAL_S:
            self._sent_at = now
            return "keepalive"
        return None
