"""What a training program holds while it is recorded: it emits events and ends the run."""

import os
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Literal

from esper_bus.emit.emitter import CLOSE_S, Emitter, EmitterReport, NullEmitter
from esper_lite.metric_definition import metric_spec
from esper_schemas.events import (
    Event,
    MetricDefined,
    PPOUpdateCompleted,
    RunFinished,
    RunStarted,
    ScalarsLogged,
)
from esper_schemas.payload import PPOUpdatePayload

Outcome = Literal["completed", "interrupted", "failed"]


class Telemetry:
    """Records one process of a run, from `RunStarted` to `RunFinished`; created by `connect`.

    Used as a context manager, it records how the run ended: completed, interrupted (Ctrl-C) or failed (any
    other exception, with its text). Exceptions propagate.
    """

    def __init__(self, emitter: Emitter | NullEmitter, started: RunStarted, updates: int = 0) -> None:
        self._emitter = emitter
        self._updates = updates
        self._numbering, self._pid = threading.RLock(), os.getpid()
        self._finished = False
        emitter.emit(started)

    @property
    def enabled(self) -> bool:
        """Whether events are recorded; False if `connect` was called with `enabled=False`."""
        return isinstance(self._emitter, Emitter)

    @property
    def updates(self) -> int:
        """The number of the latest PPO update, 0 before the first."""
        return self._updates

    @property
    def stats(self) -> EmitterReport:
        """How many events were emitted, written, acknowledged and lost so far, and the current problem."""
        return self._emitter.stats

    def emit(self, event: Event | PPOUpdatePayload) -> None:
        """Record an event, or a payload as the next PPO update. Never blocks and never raises.

        Thread-safe. The event is encoded before the call returns.
        """
        if isinstance(event, PPOUpdatePayload | PPOUpdateCompleted):
            self._emit_update(event)
            return
        if isinstance(event, RunFinished):
            self._finished = True
        self._emitter.emit(event)

    def log(self, values: Mapping[str, Any], step: int | None = None, time: float | None = None) -> None:
        """Record values under the names that a program logs. Never blocks and never raises.

        Names of the catalogue, and those that well-known libraries log for them (`train/approx_kl`,
        `losses/clipfrac`), become metrics of the PPO update, with their sign and scale; all others become
        scalars of the run. The calls of one `step`, a number that grows with the training, belong to one
        update; without a step, a repeated name begins the next update. An update counts once one of its
        values is a metric of the catalogue.

        A value may be whatever is a number; others are left out, and named in `stats.problem`. `time` is in
        seconds since 1970, by default now. Thread-safe; the values are encoded before the call returns.
        """
        table = values if type(values) is dict else _as_dict(values)
        emitted_ns = None if time is None else _nanoseconds(time)
        self._emitter.emit(ScalarsLogged(values=table, step=step), emitted_ns)

    def define(self, name: str, **description: Any) -> None:
        """Describe a metric of the run's own: `define("kl_ref", unit="nats", warning_above=10)`.

        The keywords are the fields of `MetricSpec`. Raises `InvalidArgument` for another keyword, a value of
        a wrong type, or bounds in a wrong order.
        """
        self._emitter.emit(MetricDefined(metric=metric_spec(name, description)))

    def _emit_update(self, event: PPOUpdateCompleted | PPOUpdatePayload) -> None:
        if os.getpid() != self._pid:
            return  # a forked child records nothing, and no thread of it can release an inherited lock
        with self._numbering:
            if isinstance(event, PPOUpdatePayload):
                event = PPOUpdateCompleted(update=self._updates + 1, payload=event)
            if type(event.update) is int:  # otherwise the event is reported as invalid, and has no number
                self._updates = event.update
            self._emitter.emit(event)

    def close(
        self, outcome: Outcome = "completed", reason: str = "", timeout: float = CLOSE_S
    ) -> EmitterReport:
        """Emit `RunFinished` unless it was emitted, and wait up to `timeout` seconds for the aggregator.

        Events that are not acknowledged by then stay in the spool. Further calls have no effect.
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
        self.close(*how_it_ended(error))


def _as_dict(values: Any) -> Any:
    """Return a mapping as a dictionary; what is none is emitted as it is, and reported by the emitter."""
    try:
        return dict(values)
    except Exception:  # a mapping of another library may raise anything
        return values


def _nanoseconds(time: Any) -> int | None:
    """Return a time in seconds since 1970 in nanoseconds; None for what cannot be one."""
    try:
        nanoseconds = int(float(time) * 1e9)
    except Exception:  # as above
        return None
    return nanoseconds if 0 < nanoseconds < 2**63 else None


def how_it_ended(error: BaseException | None) -> tuple[Outcome, str]:
    """Return the outcome of a run that ended with an exception or None, and the exception's text."""
    if error is None or (isinstance(error, SystemExit) and not error.code):
        return "completed", ""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted", ""
    return "failed", f"{type(error).__name__}: {error}".removesuffix(": ")
