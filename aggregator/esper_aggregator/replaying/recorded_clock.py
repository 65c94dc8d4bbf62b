"""The time of a recorded run while it is replayed. Pure: the caller passes the present time in."""

LONGEST_PAUSE_S = 600.0
"""A longer time without events is shortened to `SHORT_PAUSE_S`: the training was interrupted then."""
SHORT_PAUSE_S = 1.0
_LATE_S = 1.0


class RecordedClock:
    """Says when recorded events are due. `now` is the time in seconds of any clock that never goes back.

    `speed` is a factor. Times that go back count as the latest one before them. A replay that is late, since
    its process was stopped or is too slow, continues from where it is.
    """

    def __init__(self, speed: float = 1.0) -> None:
        self._speed = speed
        self._at_ns: int | None = None
        self._taken_at = 0.0
        self._following = False
        self._stopped = False

    @property
    def last_ns(self) -> int | None:
        """The recorded time of the last event that was taken."""
        return self._at_ns

    def due_at(self, at_ns: int, now: float) -> float:
        """Return when an event is due that was recorded at `at_ns`; the first one is due at once."""
        if self._at_ns is None or self._following:
            return now
        pause_s = max(0, at_ns - self._at_ns) / 1e9
        if pause_s > LONGEST_PAUSE_S:
            pause_s = SHORT_PAUSE_S
        return self._taken_at + pause_s / self._speed

    def take(self, at_ns: int, now: float) -> None:
        """Take note of an event that is replayed now."""
        due_at = self.due_at(at_ns, now)
        self._taken_at = due_at if 0 <= now - due_at < _LATE_S else now
        self._at_ns = at_ns if self._at_ns is None else max(self._at_ns, at_ns)

    def restart(self, now: float) -> None:
        """Count the time to the next event from now on."""
        self._taken_at = now

    def follow(self, now: float) -> None:
        """Let the events that are recorded from now on be due at once: they are as new as they look."""
        if not self._following:
            self._following, self._speed, self._taken_at = True, 1.0, now

    def stop(self) -> None:
        """Let the time stay that of the last event."""
        self._stopped = True

    def time_ns(self, now: float) -> int:
        """Return the recorded time that corresponds to now, nanoseconds since 1970; 0 before all events."""
        if self._at_ns is None:
            return 0
        passed_s = 0.0 if self._stopped else max(0.0, now - self._taken_at) * self._speed
        return self._at_ns + int(passed_s * 1e9)
