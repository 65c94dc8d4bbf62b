"""The onset of an anomaly: when one quantity begins to be anomalous, and when the anomaly is over."""

from collections import deque
from typing import Any

from esper_schemas.rules.anomaly_rules import COLLAPSE_WITHIN, AnomalyRule


class Onset:
    """What is remembered of the values of one rule; it has to be given every update."""

    def __init__(self) -> None:
        self._beyond = self._calm = 0
        self._active = False
        self._recent: deque[float | None] = deque(maxlen=COLLAPSE_WITHIN)

    def skip(self) -> None:
        """Add an update without a finite value, which neither begins nor ends anything."""
        self._recent.append(None)

    def begins(self, rule: AnomalyRule, value: float, bound: float, *, witnessed: bool) -> bool:
        """Add a value; return whether the anomaly begins with it, which needs the one before to be over."""
        self._recent.append(value)
        if not rule.is_beyond(value, bound):
            self._recover(rule, value, bound)
            return False
        self._beyond, self._calm = self._beyond + 1, 0
        anomalous = self._beyond >= rule.updates and witnessed and self._has_fallen(rule, value)
        begins = anomalous and not self._active
        self._active = self._active or anomalous
        return begins

    def _recover(self, rule: AnomalyRule, value: float, bound: float) -> None:
        still_near = rule.is_beyond(value, rule.clearing(bound))
        self._beyond, self._calm = 0, 0 if still_near else self._calm + 1
        self._active = self._active and self._calm < rule.calm

    def _has_fallen(self, rule: AnomalyRule, value: float) -> bool:
        """Return whether a low value counts: it fell fast enough, or is below the floor of the rule."""
        if rule.fall is None or (rule.floor is not None and value < rule.floor):
            return True
        return max(past for past in self._recent if past is not None) - value >= rule.fall

    def state(self) -> list[Any]:
        """Return what a checkpoint of the trainer holds."""
        return [self._beyond, self._calm, self._active, list(self._recent)]

    def load(self, state: list[Any]) -> None:
        """Continue from a checkpoint."""
        self._beyond, self._calm, self._active, recent = state
        self._recent = deque(recent, maxlen=COLLAPSE_WITHIN)
