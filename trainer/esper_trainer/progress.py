"""What a caller of the trainer is told: after every update, and at the end."""

from dataclasses import dataclass
from typing import Literal

from esper_schemas.payload import PPOUpdatePayload

Outcome = Literal["completed", "interrupted"]
"""How a run may end; whatever fails is raised."""


@dataclass(frozen=True, slots=True)
class UpdateReport:
    """One update that is done; its events have been emitted."""

    update: int
    episodes: int
    mean_return: float
    mean_accuracy: float
    env_steps: int
    steps_per_second: float
    payload: PPOUpdatePayload


@dataclass(frozen=True, slots=True)
class TrainingSummary:
    """How a run went. Returns are None if there was no update.

    baseline_return: mean return of always choosing WAIT in the same environments. steps_per_second:
    over the whole loop, with updates.
    """

    updates: int
    env_steps: int
    steps_per_second: float
    first_mean_return: float | None
    last_mean_return: float | None
    baseline_return: float
    mean_accuracy: float | None
    outcome: Outcome
    seconds: float
