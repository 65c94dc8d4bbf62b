"""Baseline levels of one producer's value loss and returns, with which new values are compared."""

import math
import sys
from dataclasses import dataclass

from esper_schemas.payload import PPOUpdatePayload

LEVEL_RATE = 0.1
"""The weight of a new value in a level."""

RETURN_RATE = 0.3
"""The same for returns, whose falls should be seen soon."""

FIRST_ROLLOUTS = 4
"""Rollouts that only show how much returns vary, before a fall is judged by that."""

MAX_GROWTH = 2.0
"""A value counts as at most this many times its level, so that one outlier hardly raises the level."""

TOLERANCE_OF_GAIN = 0.5
TOLERANCE_OF_DEVIATIONS = 6.0
"""A return may fall below its best level by this share of the gain since the first one, or by this many mean
deviations, whichever is more."""

_LARGEST = sys.float_info.max


@dataclass(slots=True)
class BaselineLevels:
    """Exponential moving levels of one producer; those of returns are valid from the first rollout on.

    `deviation` is the mean change of the return from one rollout to the next.
    """

    value_loss: float | None = None
    rollouts: int = 0
    first_return: float = 0.0
    last_return: float = 0.0
    mean_return: float = 0.0
    best_return: float = 0.0
    deviation: float = 0.0


def relative_values(levels: BaselineLevels, payload: PPOUpdatePayload) -> tuple[float | None, float | None]:
    """Return the `RELATIVE` quantities of an update, and add its value loss to the level.

    The spread of values is undefined where returns do not vary; what is not finite is a symptom of its own.
    """
    values, returns = payload.value_std, payload.return_std
    spread = None
    if values is not None and returns is not None and 0.0 < returns < math.inf and abs(values) < math.inf:
        spread = _ratio(values, returns)
    return spread, _value_loss_growth(levels, payload.value_loss)


def lost_return(levels: BaselineLevels, mean_return: float) -> float | None:
    """Return by how many tolerances the level of the return is below its best; add the return to the level.

    `None` for the first rollouts, where nothing is tolerated, and where the return is not finite.
    """
    if not abs(mean_return) < _LARGEST / 10:
        return None
    levels.rollouts += 1
    if levels.rollouts == 1:
        levels.first_return = levels.last_return = levels.mean_return = levels.best_return = mean_return
        return None
    levels.mean_return += RETURN_RATE * (mean_return - levels.mean_return)
    levels.best_return = max(levels.best_return, levels.mean_return)
    _add_deviation(levels, abs(mean_return - levels.last_return))
    levels.last_return = mean_return
    if levels.rollouts <= FIRST_ROLLOUTS:
        return None
    lost = levels.best_return - levels.mean_return
    gain = levels.best_return - levels.first_return
    tolerance = max(TOLERANCE_OF_GAIN * gain, TOLERANCE_OF_DEVIATIONS * levels.deviation)
    return _ratio(lost, tolerance) if tolerance > 0.0 else None


def _value_loss_growth(levels: BaselineLevels, value_loss: float | None) -> float | None:
    level = levels.value_loss
    if value_loss is None or not 0.0 < value_loss < _LARGEST:
        return None
    if level is None:
        levels.value_loss = value_loss
        return None
    limit = MAX_GROWTH * level
    levels.value_loss = level + LEVEL_RATE * ((value_loss if value_loss < limit else limit) - level)
    return _ratio(value_loss, level)


def _ratio(value: float, level: float) -> float:
    """Return a finite ratio, whatever the two are."""
    ratio = value / level if level > 0.0 else _LARGEST
    return ratio if ratio < _LARGEST else _LARGEST


def _add_deviation(levels: BaselineLevels, change: float) -> None:
    """Add a change of the return; after the first rollouts a fall does not count as usual variation."""
    if levels.rollouts <= FIRST_ROLLOUTS:
        levels.deviation += (change - levels.deviation) / (levels.rollouts - 1)
    else:
        limit = MAX_GROWTH * levels.deviation or change
        levels.deviation += LEVEL_RATE * (min(change, limit) - levels.deviation)
