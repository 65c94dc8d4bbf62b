"""The alpha controller: how the blend weight of a seed moves from where it is to its target.

A move has a start, a target, a length in steps and a curve. Between moves the controller holds:
then, and only then, a new target can be set. All tensors are [slots, environments].
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
    """Which way a blend weight is moving."""

    DOWN = -1
    HOLD = 0
    UP = 1


class AlphaTables(NamedTuple):
    """What the alpha heads' choices mean, as tensors to index with a choice."""

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


class Alpha(NamedTuple):
    """The controllers' state; `value` equals `target` whenever a controller holds.

    value, start, target: float32. curve, total, done: int64 (a curve's index, steps).
    """

    value: Tensor
    start: Tensor
    target: Tensor
    curve: Tensor
    total: Tensor
    done: Tensor

    @property
    def holds(self) -> Tensor:
        """True where no move is under way."""
        return self.done >= self.total

    @property
    def mode(self) -> Tensor:
        """The direction of the move under way, as `AlphaMode` values."""
        direction = torch.sign(self.target - self.start).long()
        return torch.where(self.holds, int(AlphaMode.HOLD), direction)


def at_rest(slots: int, environments: int, device: torch.device) -> Alpha:
    """Controllers that hold at zero."""
    zeros = torch.zeros(slots, environments, device=device)
    counts = torch.zeros(slots, environments, dtype=torch.int64, device=device)
    return Alpha(zeros, zeros, zeros, counts, counts, counts)


def curve_value(curve: Tensor, progress: Tensor, tables: AlphaTables) -> Tensor:
    """The share of the way that is covered after `progress` (0..1) of the steps.

    The sigmoids are logistic curves, stretched so that they start at 0 and end at 1.
    """
    steepness = tables.steepness[curve]
    sigmoid = 0.5 + 0.5 * torch.tanh(steepness * (progress - 0.5) / 2) / torch.tanh(steepness / 4)
    cosine = 0.5 - 0.5 * torch.cos(torch.pi * progress)
    curved = torch.where(curve == AlphaCurve.COSINE, cosine, sigmoid)
    return torch.where(curve == AlphaCurve.LINEAR, progress, curved)


def retarget(alpha: Alpha, where: Tensor, target: Tensor, total: Tensor, curve: Tensor) -> Alpha:
    """Begin a move to `target` in `total` steps where `where`; a move of 0 steps is a jump."""
    jump = where & (total == 0)
    return Alpha(
        value=torch.where(jump, target, alpha.value),
        start=torch.where(where, alpha.value, alpha.start),
        target=torch.where(where, target, alpha.target),
        curve=torch.where(where, curve, alpha.curve),
        total=torch.where(where, total, alpha.total),
        done=torch.where(where, 0, alpha.done),
    )


def tick(alpha: Alpha, tables: AlphaTables) -> Alpha:
    """Take one step of every move; the last one lands on the target exactly."""
    done = torch.minimum(alpha.done + 1, alpha.total)
    progress = done / alpha.total.clamp_min(1)
    way = (alpha.target - alpha.start) * curve_value(alpha.curve, progress, tables)
    value = torch.where(done >= alpha.total, alpha.target, alpha.start + way)
    return alpha._replace(value=value, done=done)
