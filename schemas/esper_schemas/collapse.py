"""Is the policy about to stop exploring? Three numbers from the last updates' entropies, in closed form.

All of them speak about `entropy_normalized`, a share of the largest possible entropy, and look at no more
than the last ten updates. They leave out what was not measured or is not finite, answer `None` when fewer
than five values are left, and never answer NaN. Pure.
"""

import math
from collections.abc import Callable, Sequence
from operator import mul
from typing import cast

from esper_schemas.metrics.catalogue import CATALOGUE

WINDOW = 10
MINIMUM_VALUES = 5

HYSTERESIS = 0.08
"""A collapse risk moves only when it has changed by at least this much, so that it does not flicker."""

NOT_FALLING = -1e-6
"""A slope of this or above is not a fall."""

TIME_RISKS = ((100.0, 0.1), (50.0, 0.25), (20.0, 0.5), (10.0, 0.7))
"""More updates than this until collapse, at the present slope, are this risky; `IMMINENT_RISK` if fewer."""

IMMINENT_RISK = 0.9
PROXIMITY_RISK = 0.3
"""The risk of being next to the critical bound without falling."""

NEGLIGIBLE_SPREAD = 1e-20
"""Below this product of two sums of squares a correlation has no meaning."""


def entropy_velocity(entropies: Sequence[float | None]) -> float | None:
    """The least-squares slope of the last ten entropies, oldest first, per update (TELE-121).

    A value that is left out keeps its place in time: the others stay as far apart as they were.
    """
    return _slope(entropies[-WINDOW:])[0]


def entropy_clip_correlation(
    entropies: Sequence[float | None], clip_fractions: Sequence[float | None]
) -> float | None:
    """Pearson's correlation of entropy and clip fraction over the last ten updates (TELE-123).

    The two are of the same updates, or `ValueError` is raised. `None` also where one of them does not vary.
    """
    pairs = [
        (x, y)
        for x, y in zip(entropies[-WINDOW:], clip_fractions[-WINDOW:], strict=True)
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
    """How near a collapse of the policy is, between 0 and 1 (TELE-122).

    At or below the critical bound of `entropy_normalized` the risk is 1. Above it the risk grows with the
    nearness of that bound and, while the entropy falls, with the nearness in time; time counts less once
    the warning bound is crossed. `previous` is the risk of the update before.
    """
    velocity, values = _slope(entropies[-WINDOW:])
    if velocity is None:
        return None
    current = values[-1]
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


def _slope(window: Sequence[float | None]) -> tuple[float | None, Sequence[float]]:
    """The slope of a window's finite values over their places, and these values, oldest first."""
    if len(window) < MINIMUM_VALUES:
        return None, ()
    try:
        slope = _WHOLE_SLOPES[len(window)](*window)
    except TypeError:  # one was not measured
        slope = math.nan
    if math.isfinite(slope):  # as nearly always; one value that is not finite would have made the slope so
        return slope, cast("Sequence[float]", window)
    kept = {x: y for x, y in enumerate(window) if y is not None and math.isfinite(y)}
    values = list(kept.values())
    if len(values) < MINIMUM_VALUES:
        return None, values
    offsets, spread = _deviations(tuple(kept))
    return _finite(sum(map(mul, offsets, values)) / spread), values


def _deviations(values: Sequence[float]) -> tuple[list[float], float]:
    """The distances from the mean, and the sum of their squares."""
    mean = sum(values) / len(values)
    offsets = [value - mean for value in values]
    return offsets, sum(map(mul, offsets, offsets))


def _finite(value: float) -> float | None:
    """`None` where values near the largest float have overflowed."""
    return value if math.isfinite(value) else None


def _bounds() -> tuple[float, float, float]:
    metric = CATALOGUE["entropy_normalized"].metric
    critical, warning, maximum = metric.bands.critical_below, metric.bands.warning_below, metric.maximum
    assert critical is not None
    assert warning is not None
    assert maximum is not None
    return critical, warning, maximum


def _whole_slope(size: int) -> Callable[..., float]:
    """The slope of so many values, as one compiled expression: the fold asks for it with every update."""
    offsets, spread = _deviations([float(place) for place in range(size)])
    names = [f"y{place}" for place in range(size)]
    terms = [f"{offset!r} * {name}" for offset, name in zip(offsets, names, strict=True)]
    source = f"lambda {', '.join(names)}: ({' + '.join(terms)}) / {spread!r}"
    return cast("Callable[..., float]", eval(source))


_WHOLE_SLOPES = {size: _whole_slope(size) for size in range(MINIMUM_VALUES, WINDOW + 1)}
_CRITICAL, _WARNING, _MAXIMUM = _bounds()
