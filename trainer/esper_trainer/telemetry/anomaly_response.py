"""The anomaly detector and the escalation of the telemetry level, as one unit for the runner."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from esper_schemas.declarations import RunThresholds
from esper_schemas.events import Event, PPOUpdateCompleted, RolloutCompleted
from esper_schemas.metrics.metric import TelemetryLevel
from esper_schemas.rules.detector import AnomalyDetector, anomaly_event
from esper_schemas.rules.settings import settings_of
from esper_schemas.rules.thresholds import thresholds_of
from esper_trainer.config import TrainingConfig
from esper_trainer.telemetry.escalation_durations import parse_escalation
from esper_trainer.telemetry.level_escalation import LevelEscalation


class AnomalyResponse:
    """Detects anomalies in every update, in order, and selects the telemetry level of later updates.

    thresholds: the text of the bounds by which the run is judged; empty for those of the catalogue.
    """

    def __init__(self, config: TrainingConfig, thresholds: str = "") -> None:
        given = thresholds_of(RunThresholds(thresholds))
        self._detector = AnomalyDetector(settings_of(asdict(config)), thresholds=given)
        requested = TelemetryLevel[config.telemetry.upper()]
        self._escalation = LevelEscalation(requested, parse_escalation(config.escalation))

    def level(self, update: int) -> TelemetryLevel:
        """The telemetry level of an update."""
        return self._escalation.level(update)

    def after_update(self, events: Iterable[Event]) -> list[Event]:
        """The anomalies that begin with an update, and the escalation that follows from them.

        events: those of the update, with its rollout.
        """
        rollout, completed = None, None
        for event in events:
            match event:
                case RolloutCompleted():
                    rollout = event
                case PPOUpdateCompleted():
                    completed = event
        if completed is None:
            return []
        begun = self._detector.observe(rollout, completed)
        anomalies = [anomaly_event(completed.update, beginning) for beginning in begun]
        kinds = {beginning.kind for beginning in begun}
        return [*filter(None, anomalies), *self._escalation.after(completed.update, kinds)]

    def exploding_heads(self, update: int) -> set[str]:
        """The heads whose ratios begin to explode with an update, even if that is no anomaly yet."""
        return {
            symptom.head
            for symptom in self._detector.symptoms()
            if symptom.name == "ratio_explosion" and symptom.head and symptom.critical_since == update
        }

    def state(self) -> dict[str, Any]:
        """The state for a checkpoint: plain numbers, strings and containers."""
        return {"detector": self._detector.state(), "escalation": self._escalation.state()}

    def load(self, state: Mapping[str, Any]) -> None:
        """Restore a state; an empty one, from a checkpoint without it, changes nothing."""
        if state:
            self._detector.load(state["detector"])
            self._escalation.load(state["escalation"])
