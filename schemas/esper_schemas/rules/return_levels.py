"""Levels of the returns of one producer's own past, with which its new ones are compared."""

import sys
from dataclasses import dataclass
from statistics import median

from esper_schemas.rules.run_levels import ratio

RATE = 0.3
"""The weight of a new return in its level, so that a fall is seen soon."""

FIRST_ROLLOUTS = 4
"""Rollouts whose median is the first return, and which show how much returns vary, before any is judged."""

MAX_CHANGE = 2.0
"""A change of the return counts as at most this many times the usual one."""

DEVIATION_RATE = 0.1

TOLERANCE_OF_GAIN = 0.5
TOLERANCE_OF_DEVIATIONS = 6.0
"""A return may fall below its best level by this share of the gain since the first one, or by this many mean
deviations, whichever is more."""

CLEAR_GAIN, SMALL_GAIN = 3.0, 1.0
"""A return has risen if its best level exceeds the first one by three mean deviations, and has not if it does
so by less than one; in between it is not known."""

MOST = 0.5
"""A run that has kept less than this share of its gain has lost most of it."""

SMALLEST_RETURN = 1e-12
"""The change of a smaller return is compared with this."""

_LARGEST_RETURN = sys.float_info.max / 10.0
"""Differences of larger returns may not be finite."""


@dataclass(slots=True)
class ReturnLevels:
    """What is remembered of a producer's rollouts; levels are valid after the first `FIRST_ROLLOUTS`.

    `opening` holds the first returns in ascending order, while they are collected. `deviation` is the mean
    change of the return from one rollout to the next.
    """

    rollouts: int = 0
    opening: tuple[float, ...] = ()
    first: float = 0.0
    last: float = 0.0
    level: float = 0.0
    best: float = 0.0
    deviation: float = 0.0


ReturnQuantities = tuple[float | None, float | None, float | None]


def return_quantities(levels: ReturnLevels, mean_return: float) -> ReturnQuantities:
    """Return how much of its gain a return has lost, how much it has kept, and its relative change.

    What was lost is in tolerances, what was kept a share of the gain since the first returns, which is 0
    where the return has not clearly risen. None for the first rollouts, and for a return that is not finite.
    """
    if not -_LARGEST_RETURN < mean_return < _LARGEST_RETURN:
        return None, None, None
    levels.rollouts += 1
    change = abs(mean_return - levels.last) if levels.rollouts > 1 else None
    levels.last = mean_return
    if change is not None:
        _add_deviation(levels, change)
    relative = None if change is None else _relative(change, mean_return)
    if levels.rollouts <= FIRST_ROLLOUTS:
        _open(levels, mean_return)
        return None, None, relative
    levels.level = level = levels.level + RATE * (mean_return - levels.level)
    if level > levels.best:
        levels.best = level
    return _lost(levels), _kept(levels), relative


def _open(levels: ReturnLevels, mean_return: float) -> None:
    """Begin all levels at the median of the first returns, of which one may be far off."""
    levels.opening = tuple(sorted((*levels.opening, mean_return)))
    if levels.rollouts == FIRST_ROLLOUTS:
        levels.first = levels.level = levels.best = median(levels.opening)
        levels.opening = ()


def _relative(change: float, mean_return: float) -> float:
    size = abs(mean_return)
    return change / (size if size > SMALLEST_RETURN else SMALLEST_RETURN)


def _lost(levels: ReturnLevels) -> float | None:
    best, noise = levels.best, TOLERANCE_OF_DEVIATIONS * levels.deviation
    tolerance = TOLERANCE_OF_GAIN * (best - levels.first)
    if noise > tolerance:
        tolerance = noise
    return ratio(best - levels.level, tolerance) if tolerance > 0.0 else None


def _kept(levels: ReturnLevels) -> float | None:
    """Return the share of the gain that is kept, 0 without a gain.

    None if noise may be all of the gain, or all of the loss of most of it.
    """
    first, best, level, deviation = levels.first, levels.best, levels.level, levels.deviation
    gain = best - first
    if gain <= SMALL_GAIN * deviation or gain <= 0.0:
        return 0.0
    kept, noise = (level - first) / gain, CLEAR_GAIN * deviation
    if gain <= noise or (kept < MOST and best - level <= noise):
        return None
    return kept


def _add_deviation(levels: ReturnLevels, change: float) -> None:
    """Add a change of the return; after the first rollouts a fall does not count as usual variation."""
    if levels.rollouts <= FIRST_ROLLOUTS:
        levels.deviation += (change - levels.deviation) / (levels.rollouts - 1)
    else:
        deviation = levels.deviation
        limit = MAX_CHANGE * deviation or change
        levels.deviation = deviation + DEVIATION_RATE * ((change if change < limit else limit) - deviation)
