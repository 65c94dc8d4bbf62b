"""Says what goes wrong in the log, but not again and again."""

import contextlib
import time

REPEAT_AFTER_S = 60.0


class RateLimitedLog:
    """Warns about each kind of trouble at most once a minute, and says how often it was silent."""

    def __init__(self, **context: object) -> None:
        self._context = context
        self._said_at: dict[str, float] = {}
        self._silent: dict[str, int] = {}

    def warn(self, kind: str, **fields: object) -> None:
        """Log a warning; never raises."""
        now = time.monotonic()
        if now - self._said_at.get(kind, -REPEAT_AFTER_S) < REPEAT_AFTER_S:
            self._silent[kind] = self._silent.get(kind, 0) + 1
            return
        self._said_at[kind] = now
        repeats = self._silent.pop(kind, 0)
        self._log("warning", kind, **fields, **({"repeats": repeats} if repeats else {}))

    def over(self, kind: str) -> None:
        """Log that a trouble has passed, if it was complained about; never raises."""
        if self._said_at.pop(kind, None) is not None:
            self._silent.pop(kind, None)
            self._log("info", f"over: {kind}")

    def _log(self, level: str, event: str, **fields: object) -> None:
        with contextlib.suppress(Exception):  # a closed stderr must not stop the events
            import structlog  # A quarter of what a screen imports, and most never complain.

            getattr(structlog.get_logger(), level)(event, **self._context, **fields)
