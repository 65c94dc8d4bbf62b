"""Signs of a collapse of the policy: three numbers that follow from the entropies of the last updates.

All of them are computed from `entropy_normalized`, a share of the largest possible entropy, over at most the
last ten updates. Values that were not measured or are not finite are left out. The result is `None` if fewer
than five values remain, and never NaN.
"""

import math
from collections.abc import Sequence
from operator import mul

from esper_schemas.metrics.catalogue import CATALOGUE
from esper_schemas.state import HISTORY_LENGTH

MINIMUM_VALUES = 5

HYSTERESIS = 0.08
"""A collapse risk keeps its value until it changes by at least this much, so that it does not flicker."""

NOT_FALLING = -1e-6
"""A slope at or above this is not a fall."""

TIME_RISKS = ((100.0, 0.1), (50.0, 0.25), (20.0, 0.5), (10.0, 0.7))
"""Pairs of a number of updates and the risk if, at the present slope, a collapse is further away than that.

Nearer than the last of them, the risk is `IMMINENT_RISK`.
"""

IMMINENT_RISK = 0.9
PROXIMITY_RISK = 0.3
"""The risk at the critical bound while the entropy does not fall."""

NEGLIGIBLE_SPREAD = 1e-20
"""Below this product of two sums of squares, a correlation is not defined."""


def entropy_velocity(entropies: Sequence[float | None]) -> float | None:
    """Return the least-squares slope of the last ten entropies, oldest first, per update (TELE-121).

    A value that is left out keeps its place in time: the distances between the others do not change.
    """
    return _slope(_window(entropies))


def entropy_clip_correlation(
    entropies: Sequence[float | None], clip_fractions: Sequence[float | None]
) -> float | None:
    """Return Pearson's correlation of entropy and clip fraction over the last ten updates (TELE-123).

    `None` also where one of them does not vary. Raises `ValueError` unless both have the same length.
    """
    pairs = [
        (x, y)
        for x, y in zip(_window(entropies), _window(clip_fractions), strict=True)
        if x is not None and y is not None and math.isfinite(x) and math.isfinite(y)
    ]
    if len(pairs) < MINIMUM_VALUES:
        return None
    (x_offsets, x_spread), (y_offsets, y_spread) = map(_deviations, zip(*pairs, strict=True))
    if not x_spread or not y_spread or x_spread * y_spread < NEGLIGIBLE_SPREAD:
        return None
    correlation = _finite(sum(map(mul, x_offsets, y_offsets)) / math.sqrt(x_spread) / math.sqrt(y_spread))
    return None if correlation is None else max(-1.0, min(1.0, correlation))


def collapse_risk_score(entropies: Sequence[float | None], previous: float | None = None) -> float | None:
    """Return the risk that the policy collapses, between 0 and 1 (TELE-122).

    At or below the critical bound of `entropy_normalized` the risk is 1. Above it, the risk grows as that
    bound comes nearer and, while the entropy falls, as the time until it is reached becomes shorter; time
    counts less below the warning bound. `previous` is the risk after the update before.
    """
    window = _window(entropies)
    velocity, current = _slope(window), _newest(window)
    if velocity is None or current is None:
        return None
    if current <= _CRITICAL:
        return 1.0
    risk = _risk(current, velocity)
    return previous if previous is not None and abs(risk - previous) < HYSTERESIS else risk


def _risk(current: float, velocity: float) -> float:
    distance = current - _CRITICAL
    nearness = 1.0 - distance / (_MAXIMUM - _CRITICAL)
    proximity = PROXIMITY_RISK * nearness if nearness > 0.0 else 0.0
    if velocity >= NOT_FALLING:
        return proximity
    updates_left = distance / -velocity
    in_time = _risk_in_time(updates_left)
    weight = 0.5 if current < _WARNING else 0.7
    return weight * in_time + (1.0 - weight) * proximity


def _risk_in_time(updates_left: float) -> float:
    for bound, risk in TIME_RISKS:
        if updates_left > bound:
            return risk
    return IMMINENT_RISK


def _window(values: Sequence[float | None]) -> Sequence[float | None]:
    return values if len(values) <= HISTORY_LENGTH else values[-HISTORY_LENGTH:]


def _slope(window: Sequence[float | None]) -> float | None:
    """Return the slope of a window's finite values over their places."""
    size = len(window)
    if size < MINIMUM_VALUES:
        return None
    offsets, spread = _PLACES[size]
    try:
        slope: float = sum(map(mul, offsets, window)) / spread
    except TypeError:  # a value was not measured
        return _slope_of_some(window)
    return slope if math.isfinite(slope) else _slope_of_some(window)


def _slope_of_some(window: Sequence[float | None]) -> float | None:
    """Return the same where some values are left out."""
    kept = {x: y for x, y in enumerate(window) if y is not None and math.isfinite(y)}
    if len(kept) < MINIMUM_VALUES:
        return None
    offsets, spread = _deviations(tuple(kept))
    return _finite(sum(map(mul, offsets, kept.values())) / spread)


def _newest(window: Sequence[float | None]) -> float | None:
    """Return the newest finite value of a window."""
    for value in reversed(window):
        if value is not None and math.isfinite(value):
            return value
    return None


def _deviations(values: Sequence[float]) -> tuple[list[float], float]:
    """Return the distances from the mean, and the sum of their squares."""
    mean = sum(values) / len(values)
    offsets = [value - mean for value in values]
    return offsets, sum(map(mul, offsets, offsets))


def _finite(value: float) -> float | None:
    """Return the value, or `None` if values near the largest float have overflowed."""
    return value if math.isfinite(value) else None


def _bounds() -> tuple[float, float, float]:
    metric = CATALOGUE["entropy_normalized"].metric
    critical, warning, maximum = metric.bands.critical_below, metric.bands.warning_below, metric.maximum
    assert critical is not None
    assert warning is not None
    assert maximum is not None
    return critical, warning, maximum


_PLACES = {size: _deviations(tuple(range(size))) for size in range(MINIMUM_VALUES, HISTORY_LENGTH + 1)}
"""The deviations of the places in a whole window, by its size."""
_CRITICAL, _WARNING, _MAXIMUM = _bounds()
