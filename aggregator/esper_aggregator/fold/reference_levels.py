"""Running levels of one trainer process, to which new values are compared. Pure; bounded memory."""

import math
import sys
from dataclasses import dataclass

from esper_schemas.payload import PPOUpdatePayload

LEVEL_RATE = 0.1
"""How much of a new value a running level takes over."""

RETURN_RATE = 0.3
"""The same for returns, whose falls should be seen soon."""

FIRST_ROLLOUTS = 4
"""So many rollouts say how much returns vary, before a fall can be told from that."""

MOST_GROWTH = 2.0
"""A value raises its level as if it were this many times the level at most, so that what is unusual does not
hide itself."""

TOLERANCE_OF_GAIN = 0.5
TOLERANCE_OF_DEVIATIONS = 6.0
"""A return may fall below its best level by this share of what was won, or by so many mean deviations,
whichever is more."""

_LARGEST = sys.float_info.max


@dataclass(slots=True)
class Levels:
    """Running levels of one producer, to which new values are compared."""

    value_loss: float | None = None
    rollouts: int = 0
    first_return: float = 0.0
    last_return: float = 0.0
    mean_return: float = 0.0
    best_return: float = 0.0
    deviation: float = 0.0


def relative_to_levels(levels: Levels, payload: PPOUpdatePayload) -> tuple[float | None, float | None]:
    """`RELATIVE`, of one update."""
    return _spread(payload.value_std, payload.return_std), _value_loss_growth(levels, payload.value_loss)


def _spread(values: float | None, returns: float | None) -> float | None:
    """Undefined where returns do not vary or something is not finite, which is a symptom of its own."""
    if values is None or returns is None or not (0.0 < returns < math.inf and abs(values) < math.inf):
        return None
    return _ratio(values, returns)


def _value_loss_growth(levels: Levels, value_loss: float) -> float | None:
    level = levels.value_loss
    if not 0.0 < value_loss < _LARGEST:
        return None
    if level is None:
        levels.value_loss = value_loss
        return None
    most = MOST_GROWTH * level
    levels.value_loss = level + LEVEL_RATE * ((value_loss if value_loss < most else most) - level)
    return _ratio(value_loss, level)


def _ratio(value: float, level: float) -> float:
    """Finite, whatever the two are."""
    ratio = value / level if level > 0.0 else _LARGEST
    return ratio if ratio < _LARGEST else _LARGEST


def lost_return(levels: Levels, mean_return: float) -> float | None:
    """How far the return's level is below its best, in tolerances; the level moves with every rollout."""
    if not abs(mean_return) < _LARGEST / 10:
        return None
    levels.rollouts += 1
    if levels.rollouts == 1:
        levels.first_return = levels.last_return = levels.mean_return = levels.best_return = mean_return
        return None
    levels.mean_return += RETURN_RATE * (mean_return - levels.mean_return)
    levels.best_return = max(levels.best_return, levels.mean_return)
    _note_deviation(levels, abs(mean_return - levels.last_return))
    levels.last_return = mean_return
    if levels.rollouts <= FIRST_ROLLOUTS:
        return None
    lost = levels.best_return - levels.mean_return
    gain = levels.best_return - levels.first_return
    tolerance = max(TOLERANCE_OF_GAIN * gain, TOLERANCE_OF_DEVIATIONS * levels.deviation)
    return _ratio(lost, tolerance) if tolerance > 0.0 else None


def _note_deviation(levels: Levels, change: float) -> None:
    """The mean change from one rollout to the next; a fall is no measure of how much returns usually vary."""
    if levels.rollouts <= FIRST_ROLLOUTS:
        levels.deviation += (change - levels.deviation) / (levels.rollouts - 1)
    else:
        limit = MOST_GROWTH * levels.deviation or change
        levels.deviation += LEVEL_RATE * (min(change, limit) - levels.deviation)
