"""The detector and what it leads to, as the runner uses them."""

from typing import Any

from esper_schemas.events import Event
from esper_schemas.metrics.metric import TelemetryLevel
from esper_schemas.payload import PPOUpdatePayload
from esper_schemas.rules.detector import AnomalyDetector
from esper_trainer.telemetry.level_escalation import LevelEscalation


class AnomalyResponse:
    """Judges every update once, in order, and says how much to measure in those to come."""

    def __init__(self, asked: TelemetryLevel, episodes: int) -> None:
        self._detector, self._escalation = AnomalyDetector(), LevelEscalation(asked)
        self._episodes = episodes

    def level(self, update: int) -> TelemetryLevel:
        """How much to measure in an update."""
        return self._escalation.level(update)

    def judge(self, update: int, payload: PPOUpdatePayload, mean_return: float) -> list[Event]:
        """The anomalies that begin with an update, and whether more is measured because of them."""
        anomalies = self._detector.observe(update, payload, mean_return, update / self._episodes)
        return [*anomalies, *self._escalation.after(update, anomalies)]

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds: plain numbers, strings and containers."""
        return {"detector": self._detector.state(), "escalation": self._escalation.state()}

    def load(self, state: dict[str, Any]) -> None:
        """Go on from a state; an empty one is that of a checkpoint from before there was a detector."""
        if state:
            self._detector.load(state["detector"])
            self._escalation.load(state["escalation"])
