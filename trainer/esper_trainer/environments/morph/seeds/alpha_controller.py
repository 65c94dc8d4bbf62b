"""The alpha controller: how the blend weight of a seed moves to its target.

A move has a start, a target, a duration in steps and a curve. Between moves the controller is idle; only then
can a new target be set. All tensors are [slots, environments].
"""

from enum import IntEnum
from typing import NamedTuple

import torch
from torch import Tensor

from esper_schemas.heads import AlphaCurve, AlphaSpeed, AlphaTarget, Tempo

TEMPO_STEPS: dict[Tempo, int] = {Tempo.FAST: 3, Tempo.STANDARD: 5, Tempo.SLOW: 8}
SPEED_STEPS: dict[AlphaSpeed, int] = {
    AlphaSpeed.INSTANT: 0,
    AlphaSpeed.FAST: 3,
    AlphaSpeed.MEDIUM: 5,
    AlphaSpeed.SLOW: 8,
}
TARGETS: dict[AlphaTarget, float] = {
    AlphaTarget.HALF: 0.5,
    AlphaTarget.SEVENTY: 0.7,
    AlphaTarget.FULL: 1.0,
}
STEEPNESS: dict[AlphaCurve, float] = {
    AlphaCurve.SIGMOID_GENTLE: 6.0,
    AlphaCurve.SIGMOID: 12.0,
    AlphaCurve.SIGMOID_SHARP: 24.0,
}
LONGEST_MOVE = max(*TEMPO_STEPS.values(), *SPEED_STEPS.values())


class AlphaMode(IntEnum):
    """The direction in which a blend weight moves."""

    DOWN = -1
    HOLD = 0
    UP = 1


class AlphaTables(NamedTuple):
    """The values of the choices of the alpha heads, as tensors that are indexed by a choice."""

    tempo_steps: Tensor
    speed_steps: Tensor
    targets: Tensor
    steepness: Tensor


def build_tables(device: torch.device) -> AlphaTables:
    """Build the tables in the order of the enums; the steepness of other curves is never used."""
    return AlphaTables(
        torch.tensor([TEMPO_STEPS[tempo] for tempo in Tempo], device=device),
        torch.tensor([SPEED_STEPS[speed] for speed in AlphaSpeed], device=device),
        torch.tensor([TARGETS[target] for target in AlphaTarget], device=device),
        torch.tensor([STEEPNESS.get(curve, 1.0) for curve in AlphaCurve], device=device),
    )


class AlphaState(NamedTuple):
    """The state of the controllers; `value` equals `target` whenever a controller is idle.

    value, start, target: float32. curve: int64, an `AlphaCurve`. duration, elapsed: int64, in steps.
    """

    value: Tensor
    start: Tensor
    target: Tensor
    curve: Tensor
    duration: Tensor
    elapsed: Tensor

    @property
    def is_idle(self) -> Tensor:
        """True where no move is in progress."""
        return self.elapsed >= self.duration

    @property
    def mode(self) -> Tensor:
        """The direction of the move in progress, as `AlphaMode` values."""
        direction = torch.sign(self.target - self.start).long()
        return torch.where(self.is_idle, int(AlphaMode.HOLD), direction)


def idle(slots: int, environments: int, device: torch.device) -> AlphaState:
    """Idle controllers with weight 0."""
    zeros = torch.zeros(slots, environments, device=device)
    counts = torch.zeros(slots, environments, dtype=torch.int64, device=device)
    return AlphaState(zeros, zeros, zeros, counts, counts, counts)


def curve_value(curve: Tensor, progress: Tensor, tables: AlphaTables) -> Tensor:
    """The share of a move that is completed after `progress` (0 to 1) of its steps.

    The sigmoids are logistic curves, stretched so that they start at 0 and end at 1.
    """
    steepness = tables.steepness[curve]
    sigmoid = 0.5 + 0.5 * torch.tanh(steepness * (progress - 0.5) / 2) / torch.tanh(steepness / 4)
    cosine = 0.5 - 0.5 * torch.cos(torch.pi * progress)
    curved = torch.where(curve == AlphaCurve.COSINE, cosine, sigmoid)
    return torch.where(curve == AlphaCurve.LINEAR, progress, curved)


def retarget(alpha: AlphaState, where: Tensor, target: Tensor, duration: Tensor, curve: Tensor) -> AlphaState:
    """Start a move to `target` in `duration` steps where `where` is True; with 0 steps the value jumps."""
    jump = where & (duration == 0)
    return AlphaState(
        value=torch.where(jump, target, alpha.value),
        start=torch.where(where, alpha.value, alpha.start),
        target=torch.where(where, target, alpha.target),
        curve=torch.where(where, curve, alpha.curve),
        duration=torch.where(where, duration, alpha.duration),
        elapsed=torch.where(where, 0, alpha.elapsed),
    )


def tick(alpha: AlphaState, tables: AlphaTables) -> AlphaState:
    """Advance every move by one step; the last step reaches the target exactly."""
    elapsed = torch.minimum(alpha.elapsed + 1, alpha.duration)
    progress = elapsed / alpha.duration.clamp_min(1)
    moved = (alpha.target - alpha.start) * curve_value(alpha.curve, progress, tables)
    value = torch.where(elapsed >= alpha.duration, alpha.target, alpha.start + moved)
    return alpha._replace(value=value, elapsed=elapsed)
