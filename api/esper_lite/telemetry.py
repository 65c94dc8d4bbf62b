"""One process's part of a run: every event that it emits, from the first to the last."""

import os
import threading
from types import TracebackType
from typing import Literal

from esper_bus.emit.emitter import CLOSE_S, Emitter, EmitterReport, NullEmitter
from esper_schemas.events import Event, PPOUpdateCompleted, RunFinished, RunStarted
from esper_schemas.payload import PPOUpdatePayload

Outcome = Literal["completed", "interrupted", "failed"]


class Telemetry:
    """One process's part of a run, from `RunStarted` to `RunFinished`; made by `connect`.

    As a context manager it says by itself how the run ended: completed, interrupted (Ctrl-C) or failed
    (any other exception, with its text). Exceptions pass through.
    """

    def __init__(self, emitter: Emitter | NullEmitter, started: RunStarted, updates: int = 0) -> None:
        self._emitter = emitter
        self._updates = updates
        self._numbering, self._pid = threading.RLock(), os.getpid()
        self._finished = False
        emitter.emit(started)

    @property
    def enabled(self) -> bool:
        """Whether events are recorded; if not, there is no need to measure anything."""
        return isinstance(self._emitter, Emitter)

    @property
    def updates(self) -> int:
        """The number of the newest PPO update of the run, 0 before the first."""
        return self._updates

    @property
    def stats(self) -> EmitterReport:
        """What became of the events so far."""
        return self._emitter.stats

    def emit(self, event: Event | PPOUpdatePayload) -> None:
        """Record an event as it is now, or a payload as the next PPO update. Never blocks, never raises.

        May be called from any thread.
        """
        if isinstance(event, PPOUpdatePayload | PPOUpdateCompleted):
            self._emit_update(event)
            return
        if isinstance(event, RunFinished):
            self._finished = True
        self._emitter.emit(event)

    def _emit_update(self, event: PPOUpdateCompleted | PPOUpdatePayload) -> None:
        if os.getpid() != self._pid:
            return  # a fork records nothing, and the lock that it inherited may never be released
        with self._numbering:
            if isinstance(event, PPOUpdatePayload):
                event = PPOUpdateCompleted(update=self._updates + 1, payload=event)
            self._updates = event.update
            self._emitter.emit(event)

    def close(
        self, outcome: Outcome = "completed", reason: str = "", timeout: float = CLOSE_S
    ) -> EmitterReport:
        """Emit `RunFinished` unless that was done, and wait at most `timeout` seconds for the aggregator.

        What was not acknowledged by then stays in the spool. Further calls do nothing.
        """
        if not self._finished:
            self.emit(RunFinished(outcome=outcome, updates=self._updates, reason=reason))
        return self._emitter.close(timeout)

    def __enter__(self) -> "Telemetry":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close(*_how_it_ended(error))


def _how_it_ended(error: BaseException | None) -> tuple[Outcome, str]:
    if error is None or (isinstance(error, SystemExit) and not error.code):
        return "completed", ""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted", ""
    return "failed", f"{type(error).__name__}: {error}".removesuffix(": ")
