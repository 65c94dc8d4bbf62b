"""Presets: three sizes of the same environment, which differ in the training per environment step."""

from dataclasses import dataclass
from typing import NamedTuple

HORIZON = 64
"""Steps per episode in every preset; one episode is one rollout and one PPO update."""

GAMMA = 0.995
"""The discount per step that the potential-based shaping assumes; with another discount it is not neutral
(Ng et al. 1999)."""


class GateThresholds(NamedTuple):
    """Thresholds of the stage gates, see `stage_gates`.

    training_steps, blending_steps: minimum steps in that stage. contribution: minimum running average of the
    contribution to the accuracy.
    """

    training_steps: int
    blending_steps: int
    contribution: float


GATES = {"permissive": GateThresholds(1, 1, -1.0), "strict": GateThresholds(4, 4, 0.01)}
"""In both the blend weight must have reached its target; a contribution is never below -1."""


@dataclass(frozen=True)
class Preset:
    """The amount of work in one environment step.

    sgd_steps: gradient steps of every host per environment step.
    batch_size: samples per gradient step.
    validation_size: samples in the validation subset of an episode.
    horizon: environment steps per episode.
    gates: thresholds that a seed must meet to advance; part of the rules, not of the amount of work.
    """

    name: str
    sgd_steps: int
    batch_size: int
    validation_size: int
    horizon: int = HORIZON
    gates: GateThresholds = GATES["permissive"]


PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset("lite", sgd_steps=1, batch_size=16, validation_size=32),
        Preset("standard", sgd_steps=2, batch_size=32, validation_size=64),
        Preset("full", sgd_steps=4, batch_size=32, validation_size=128),
    )
}
DEFAULT_PRESET = "lite"
