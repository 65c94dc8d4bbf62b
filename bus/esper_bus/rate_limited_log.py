"""Log records with structured fields, and a log that does not repeat itself.

Everything goes through `logging`: what becomes of it is up to the program. `host.process_logging` renders it
in Esper's own processes.
"""

import contextlib
import logging
import time

REPEAT_AFTER_S = 60.0

logging.getLogger("esper").addHandler(logging.NullHandler())  # a program that configures no logging sees none


class LogMessage:
    """An event and its fields, as the message of a log record; printed as `event (key=value)`."""

    def __init__(self, event: str, **fields: object) -> None:
        self.event = event
        self.fields = fields

    def __str__(self) -> str:
        fields = ", ".join(f"{name}={value!r}" for name, value in self.fields.items())
        return f"{self.event} ({fields})" if fields else self.event


class RateLimitedLog:
    """Logs each kind of problem at most once a minute, and how often it was suppressed since.

    `logger` is the name of the logger; `context` are fields of every message.
    """

    def __init__(self, logger: str, **context: object) -> None:
        self._logger = logging.getLogger(logger)
        self._context = context
        self._logged_at: dict[str, float] = {}
        self._suppressed: dict[str, int] = {}

    def warn(self, event: str, **fields: object) -> None:
        """Log a problem. Never raises."""
        now = time.monotonic()
        if now - self._logged_at.get(event, -REPEAT_AFTER_S) < REPEAT_AFTER_S:
            self._suppressed[event] = self._suppressed.get(event, 0) + 1
            return
        self._logged_at[event] = now
        repeats = self._suppressed.pop(event, 0)
        self._write(logging.WARNING, event, **fields, **({"repeats": repeats} if repeats else {}))

    def resolved(self, event: str) -> None:
        """Log that a problem is over, if it was logged. Never raises."""
        if self._logged_at.pop(event, None) is not None:
            self._suppressed.pop(event, None)
            self._write(logging.INFO, f"resolved: {event}")

    def _write(self, level: int, event: str, **fields: object) -> None:
        with contextlib.suppress(Exception):  # a closed stderr must not stop the events
            self._logger.log(level, LogMessage(event, **self._context, **fields))
