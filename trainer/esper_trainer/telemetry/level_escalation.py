"""How much to measure: what was asked for, and for a while more after an anomaly."""

from collections.abc import Iterable
from typing import Any

from esper_schemas.events import AnomalyDetected, TelemetryEscalated
from esper_schemas.metrics.metric import TelemetryLevel
from esper_schemas.rules.anomaly_rules import ANOMALY_RULES

DURATIONS: dict[str, int] = {rule.kind: rule.escalation for rule in ANOMALY_RULES}
"""For how many updates each kind of anomaly is measured at DEBUG."""

DELAY = 2
"""An update is judged while the next one is made, or before; the one after that is the first which
is always made later, on every device."""


REST = 20
"""A kind that has raised the level does so again only after this many times its duration: what comes and
goes for ever, such as the low entropy of a policy that has converged, must not slow the training down."""


class LevelEscalation:
    """The level of every update. OFF stays off: who asks for nothing gets no more."""

    def __init__(self, asked: TelemetryLevel) -> None:
        self._requested = asked
        self._spans: list[tuple[int, int]] = []
        self._rests_until: dict[str, int] = {}

    def level(self, update: int) -> TelemetryLevel:
        """How much to measure in an update."""
        raised = any(first <= update <= last for first, last in self._spans)
        return TelemetryLevel.DEBUG if raised else self._requested

    def after(self, update: int, anomalies: Iterable[AnomalyDetected]) -> list[TelemetryEscalated]:
        """Raise the level because of an update's anomalies; told only if it lasts longer than before."""
        self._spans = [span for span in self._spans if span[1] > update]
        rested = {a.anomaly for a in anomalies if update >= self._rests_until.get(a.anomaly, 0)}
        kind = max(sorted(rested), key=lambda kind: DURATIONS[kind], default=None)
        if kind is None or self._requested in (TelemetryLevel.OFF, TelemetryLevel.DEBUG):
            return []
        first = update + DELAY
        last = first + DURATIONS[kind] - 1
        if any(until >= last for _, until in self._spans):
            return []
        self._spans.append((first, last))
        self._rests_until[kind] = update + REST * DURATIONS[kind]
        return [TelemetryEscalated(update=update, level=TelemetryLevel.DEBUG, until_update=last, reason=kind)]

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds."""
        return {"spans": [list(span) for span in self._spans], "rests_until": dict(self._rests_until)}

    def load(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        self._spans = [(int(first), int(last)) for first, last in state["spans"]]
        self._rests_until = dict(state["rests_until"])
