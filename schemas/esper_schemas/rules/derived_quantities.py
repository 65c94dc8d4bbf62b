"""The quantities that the detector judges and no payload has: `anomaly_rules.DERIVED_QUANTITIES`."""

import math
from operator import attrgetter
from typing import Any

import msgspec

from esper_schemas.drift import gradient_drift
from esper_schemas.metrics.catalogue import CATALOGUE
from esper_schemas.moving_average import MovingAverage
from esper_schemas.payload import PPOUpdatePayload
from esper_schemas.rules import anomaly_rules as a

TINY = 1e-8
Quantities = dict[str, float | None]


class DerivedQuantities:
    """Computes them update by update, with the moving averages that they need."""

    def __init__(self) -> None:
        self._averages = {name: MovingAverage() for name in ("return", "deviation", "gradient")}

    def of(self, payload: PPOUpdatePayload, mean_return: float, progress: float) -> Quantities:
        """Return the quantities of an update; `None` for one that cannot be judged."""
        return {
            "not_finite": _not_finite(payload, mean_return),
            "value_spread": _value_spread(payload),
            "explained_variance": None if _returns_are_flat(payload) else payload.explained_variance,
            "gradient_drift": gradient_drift(payload.grad_norm_pre_clip, self._averages["gradient"]),
            "return_drop": self._return_drop(mean_return, progress),
        }

    def _return_drop(self, mean_return: float, progress: float) -> float | None:
        if not math.isfinite(mean_return):
            return None
        average, deviation = self._averages["return"], self._averages["deviation"]
        mean, noise = average.mean(a.RETURN_MOMENTUM), deviation.mean(a.RETURN_MOMENTUM)
        warm = average.count >= a.RETURN_WARM_UP
        tolerated = max(a.RETURN_DROP * abs(mean), a.RETURN_NOISE * noise, TINY)
        drop = (mean - mean_return) / tolerated
        if warm:
            mean_return = max(mean_return, mean - tolerated)
        if average.count:
            deviation.add(abs(mean_return - mean), a.RETURN_MOMENTUM)
        average.add(mean_return, a.RETURN_MOMENTUM)
        return drop if warm and progress > a.RETURN_SKIPPED else None

    def state(self) -> dict[str, list[float]]:
        """Return what a checkpoint of the trainer holds."""
        return {name: [average.weighted, average.count] for name, average in self._averages.items()}

    def load(self, state: dict[str, Any]) -> None:
        """Continue from a checkpoint."""
        self._averages = {name: MovingAverage(state[name][0], int(state[name][1])) for name in self._averages}


def _not_finite(payload: PPOUpdatePayload, mean_return: float) -> float:
    """Return how many values, and how many entries of the gradient, are not finite."""
    of_heads = (value for head in payload.heads.values() for value in msgspec.structs.astuple(head))
    values = [mean_return, *_read_metrics(payload), *of_heads]
    found = sum(value is not None and not math.isfinite(value) for value in values)
    return float(found + (payload.nan_grad_count or 0) + (payload.inf_grad_count or 0))


def _returns_are_flat(payload: PPOUpdatePayload) -> bool:
    return bool(payload.return_variance_low)


def _value_spread(payload: PPOUpdatePayload) -> float | None:
    """Return how much the critic's values spread compared to the returns; `None` where these hardly vary."""
    values, returns = payload.value_std, payload.return_std
    if values is None or not returns or _returns_are_flat(payload):
        return None
    return values / returns


_read_metrics = attrgetter(*CATALOGUE)
