"""Gradient drift: by how much a gradient norm differs from its running mean.

The fold shows it. No rule judges it: healthy gradients drift all the time (`benchmarks/verdicts/drift.py`).
"""

import math

from esper_schemas.moving_average import MovingAverage

GRADIENT_DRIFT = 4.0
"""A gradient norm that is this many times larger or smaller than its running mean drifts.

A norm beyond that moves the mean only as far as one at this bound would.
"""

MOMENTUM = 0.99
WARM_UP = 10
"""Norms that are only averaged before the next one is compared to their mean."""

_TINY = 1e-8
_LARGEST = 1e100
"""Larger norms count as this, so that no sum overflows."""


def gradient_drift(norm: float | None, average: MovingAverage) -> float | None:
    """Return how many times larger or smaller than average a norm is, at least 1, and add it to the average.

    `None` where the norm was not measured or is not finite, or during warm-up.
    """
    if norm is None or not 0.0 <= norm < math.inf:
        return None
    if norm > _LARGEST:
        norm = _LARGEST
    if average.count < WARM_UP:
        average.add(norm, MOMENTUM)
        return None
    mean = average.mean(MOMENTUM)
    ratio = (norm + _TINY) / (mean + _TINY)
    if ratio > GRADIENT_DRIFT:
        norm = mean * GRADIENT_DRIFT
    elif ratio < 1.0 / GRADIENT_DRIFT:
        norm = mean / GRADIENT_DRIFT
    average.add(norm, MOMENTUM)
    return ratio if ratio >= 1.0 else 1.0 / ratio
