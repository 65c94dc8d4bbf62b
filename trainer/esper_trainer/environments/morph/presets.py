"""How much real training one environment step buys: three sizes of the same environment."""

from dataclasses import dataclass
from typing import NamedTuple

HORIZON = 64
"""Steps per episode, the same in every preset: one episode is one rollout is one PPO update."""

GAMMA = 0.995
"""The discount per step that the reward's shaping is made for: a learner that discounts by another one is
told something else than the reward says (Ng et al. 1999)."""


class Gates(NamedTuple):
    """What the gates of a seed's life ask for; `gates` says what they are.

    training_steps, blending_steps: in that stage. contribution: to the accuracy, averaged.
    """

    training_steps: int
    blending_steps: int
    contribution: float


GATES = {"permissive": Gates(1, 1, -1.0), "strict": Gates(4, 4, 0.01)}
"""In both the weight has to have reached its target; a contribution is never below -1."""


@dataclass(frozen=True)
class Preset:
    """The amount of work in one environment step.

    sgd_steps: gradient steps that every host takes per environment step.
    batch_size: samples in each of them.
    validation_size: samples of the validation subset that an episode is measured on.
    horizon: environment steps per episode.
    gates: what a seed has to show before it may move on; part of the rules, not of the amount of work.
    """

    name: str
    sgd_steps: int
    batch_size: int
    validation_size: int
    horizon: int = HORIZON
    gates: Gates = GATES["permissive"]


PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset("lite", sgd_steps=1, batch_size=16, validation_size=32),
        Preset("standard", sgd_steps=2, batch_size=32, validation_size=64),
        Preset("full", sgd_steps=4, batch_size=32, validation_size=128),
    )
}
DEFAULT_PRESET = "lite"
