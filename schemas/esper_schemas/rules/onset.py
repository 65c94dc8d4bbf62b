"""The course of one quantity that a rule looks at: when an anomaly begins, and when it is over. Pure."""

from collections import deque
from typing import Any

from esper_schemas.rules.anomaly_rules import COLLAPSE_WITHIN, AnomalyRule


class Course:
    """What is remembered of one rule; fed with every update."""

    def __init__(self) -> None:
        self._beyond = self._calm = 0
        self._lasts = False
        self._recent: deque[float | None] = deque(maxlen=COLLAPSE_WITHIN)

    def nothing_measured(self) -> None:
        """An update without a value that can be judged; it neither begins nor ends anything."""
        self._recent.append(None)

    def begins(self, rule: AnomalyRule, value: float, bound: float, *, witnessed: bool) -> bool:
        """Whether the anomaly begins with this value; it does not begin again while it lasts."""
        self._recent.append(value)
        if not rule.is_beyond(value, bound):
            self._recover(rule, value, bound)
            return False
        self._beyond, self._calm = self._beyond + 1, 0
        begins = self._beyond >= rule.updates and witnessed and self._has_fallen(rule, value)
        begins, self._lasts = begins and not self._lasts, begins or self._lasts
        return begins

    def _recover(self, rule: AnomalyRule, value: float, bound: float) -> None:
        still_near = rule.is_beyond(value, rule.clearing(bound))
        self._beyond, self._calm = 0, 0 if still_near else self._calm + 1
        self._lasts = self._lasts and self._calm < rule.calm

    def _has_fallen(self, rule: AnomalyRule, value: float) -> bool:
        """Whether what is low came there fast enough, or is low enough, to count."""
        if rule.fall is None or (rule.floor is not None and value < rule.floor):
            return True
        return max(past for past in self._recent if past is not None) - value >= rule.fall

    def state(self) -> list[Any]:
        """What a checkpoint holds."""
        return [self._beyond, self._calm, self._lasts, list(self._recent)]

    def load(self, state: list[Any]) -> None:
        """Go on from a state."""
        self._beyond, self._calm, self._lasts, recent = state
        self._recent = deque(recent, maxlen=COLLAPSE_WITHIN)
