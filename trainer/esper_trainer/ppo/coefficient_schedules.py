"""Schedules of the learning rate and the entropy coefficient, as pure functions of the update number.

They are computed on the host, so that nothing has to be read from the device.
"""

import math
from typing import NamedTuple

from esper_trainer.config import TrainingConfig


class ScheduledCoefficients(NamedTuple):
    """The coefficients of one update."""

    learning_rate: float
    entropy_coefficient: float


def scheduled_coefficients(config: TrainingConfig, update: int) -> ScheduledCoefficients:
    """The coefficients of an update; updates count from 1 to `config.episodes`.

    The learning rate rises linearly during warm-up and then follows its schedule to `learning_rate_final` of
    its full value in the last update. The entropy coefficient has no warm-up.
    """
    warmup = config.warmup_updates
    rise = min(1.0, update / (warmup + 1))
    later, span = update - 1 - warmup, config.episodes - 1 - warmup
    learning = _share(config.learning_rate_schedule, later, span, config.learning_rate_final)
    entropy = _share(config.entropy_schedule, update - 1, config.episodes - 1, config.entropy_final)
    return ScheduledCoefficients(config.learning_rate * rise * learning, config.entropy_coefficient * entropy)


def _share(schedule: str, step: int, steps: int, final: float) -> float:
    """The share of the full value after `step` of `steps`."""
    progress = min(max(step / steps, 0.0), 1.0) if steps > 0 else 0.0
    if schedule == "constant":
        return 1.0
    if schedule == "cosine":
        progress = 0.5 - 0.5 * math.cos(math.pi * progress)
    return 1.0 + (final - 1.0) * progress
