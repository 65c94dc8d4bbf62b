"""The anomaly detector and the escalation of the telemetry level, as one unit for the runner."""

from collections.abc import Mapping
from typing import Any

from esper_schemas.events import Event
from esper_schemas.metrics.metric import TelemetryLevel
from esper_schemas.payload import PPOUpdatePayload
from esper_schemas.rules.detector import AnomalyDetector
from esper_trainer.telemetry.level_escalation import LevelEscalation


class AnomalyResponse:
    """Detects anomalies in every update, in order, and selects the telemetry level of later updates.

    escalation: the numbers of updates at DEBUG that differ from the defaults, by kind of anomaly.
    """

    def __init__(
        self, requested: TelemetryLevel, episodes: int, escalation: Mapping[str, int] | None = None
    ) -> None:
        self._detector, self._escalation = AnomalyDetector(), LevelEscalation(requested, escalation)
        self._episodes = episodes

    def level(self, update: int) -> TelemetryLevel:
        """The telemetry level of an update."""
        return self._escalation.level(update)

    def after_update(self, update: int, payload: PPOUpdatePayload, mean_return: float) -> list[Event]:
        """The anomalies that begin with an update, and the escalation that follows from them."""
        anomalies = self._detector.observe(update, payload, mean_return, update / self._episodes)
        return [*anomalies, *self._escalation.after(update, anomalies)]

    def state(self) -> dict[str, Any]:
        """The state for a checkpoint: plain numbers, strings and containers."""
        return {"detector": self._detector.state(), "escalation": self._escalation.state()}

    def load(self, state: dict[str, Any]) -> None:
        """Restore a state; an empty one, from a checkpoint without it, changes nothing."""
        if state:
            self._detector.load(state["detector"])
            self._escalation.load(state["escalation"])
