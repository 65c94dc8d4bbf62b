"""Escalation of the telemetry level: after an anomaly, updates are measured at DEBUG for a while."""

from collections.abc import Iterable, Mapping
from typing import Any

from esper_schemas.events import TelemetryEscalated
from esper_schemas.metrics.metric import TelemetryLevel
from esper_trainer.telemetry.escalation_durations import escalation_updates

DELAY = 2
"""Updates until an escalation takes effect: an update is evaluated during the next one, so that the one
after that is the first which always starts later, on every device."""

COOLDOWN_FACTOR = 20
"""A kind of anomaly escalates again only after this many times its duration, so that a recurring anomaly,
such as the low entropy of a converged policy, does not slow down training."""


class LevelEscalation:
    """The telemetry level of every update. OFF is never escalated.

    updates: the numbers of updates at DEBUG that differ from the defaults, by kind of anomaly.
    """

    def __init__(self, requested: TelemetryLevel, updates: Mapping[str, int] | None = None) -> None:
        self._requested, self._updates = requested, updates or {}
        self._spans: list[tuple[int, int]] = []
        self._cooldown_until: dict[str, int] = {}

    def level(self, update: int) -> TelemetryLevel:
        """The telemetry level of an update."""
        raised = any(first <= update <= last for first, last in self._spans)
        return TelemetryLevel.DEBUG if raised else self._requested

    def after(self, update: int, kinds: Iterable[str]) -> list[TelemetryEscalated]:
        """Escalate because of the kinds of anomalies that begin; returns an event only if this extends it."""
        self._spans = [span for span in self._spans if span[1] > update]
        eligible = {kind for kind in kinds if update >= self._cooldown_until.get(kind, 0)}
        durations = {kind: escalation_updates(kind, self._updates) for kind in sorted(eligible)}
        kind = max(durations, key=lambda kind: durations[kind], default=None)
        if not kind or not durations[kind] or self._requested in (TelemetryLevel.OFF, TelemetryLevel.DEBUG):
            return []
        first = update + DELAY
        last = first + durations[kind] - 1
        if any(until >= last for _, until in self._spans):
            return []
        self._spans.append((first, last))
        self._cooldown_until[kind] = update + COOLDOWN_FACTOR * durations[kind]
        return [TelemetryEscalated(update=update, level=TelemetryLevel.DEBUG, until_update=last, reason=kind)]

    def state(self) -> dict[str, Any]:
        """The state for a checkpoint."""
        return {"spans": [list(span) for span in self._spans], "rests_until": dict(self._cooldown_until)}

    def load(self, state: dict[str, Any]) -> None:
        """Restore a state."""
        self._spans = [(int(first), int(last)) for first, last in state["spans"]]
        self._cooldown_until = dict(state["rests_until"])
