"""Whether gradients are as large as they usually are: judged by the trainer, shown by the cockpit. Pure."""

import math
from typing import NamedTuple

GRADIENT_DRIFT = 4.0
"""A gradient norm so many times larger or smaller than its running mean drifts; it moves the mean no more
than this much would."""

MOMENTUM = 0.99
WARM_UP = 10
"""The running gradient norm is not judged against before it has seen this many updates."""

_TINY = 1e-8
_LARGEST = 1e100
"""Larger norms count as this, so that no sum overflows."""


class UsualNorm(NamedTuple):
    """An exponential moving average, bias-corrected: after n norms their weights sum to 1."""

    weighted: float = 0.0
    norms: int = 0

    @property
    def mean(self) -> float:
        """The average; 0 before the first norm."""
        return self.weighted / (1.0 - MOMENTUM**self.norms) if self.norms else 0.0

    def and_(self, norm: float) -> "UsualNorm":
        """The average with one more."""
        return UsualNorm(MOMENTUM * self.weighted + (1.0 - MOMENTUM) * norm, self.norms + 1)


def gradient_drift(norm: float | None, usual: UsualNorm) -> tuple[float | None, UsualNorm]:
    """How many times larger or smaller a norm is than usual, at least 1, and what is usual from then on.

    `None` where it was not measured, is not finite, or too few came before.
    """
    if norm is None or not 0.0 <= norm < math.inf:
        return None, usual
    norm = min(norm, _LARGEST)
    weighted, norms = usual  # written out, as the fold asks with every update
    if norms < WARM_UP:
        return None, usual.and_(norm)
    mean = weighted / (1.0 - MOMENTUM**norms)
    times = (norm + _TINY) / (mean + _TINY)
    if times > GRADIENT_DRIFT:
        norm = mean * GRADIENT_DRIFT
    elif times < 1.0 / GRADIENT_DRIFT:
        norm = mean / GRADIENT_DRIFT
    return max(times, 1.0 / times), UsualNorm(MOMENTUM * weighted + (1.0 - MOMENTUM) * norm, norms + 1)
