"""The reward of a step.

    reward = ACCURACY * (accuracy - previous accuracy)
           + CONTRIBUTION * sum over seeds of the leave-one-out contribution, each clamped
           - RENT * log1p(parameters of the seeds / parameters of the host)
           + SHAPING * (GAMMA * potential of the stages - previous potential)
           - INVALID if the action was illegal

The accuracy terms telescope to the accuracy gained in the episode. The clamp keeps a seed on which the host
merely depends from outweighing a seed that improves the host. The shaping is potential-based (Ng et al. 1999)
with potential 0 at the end of the episode, so that it changes when reward arrives but not which policy is
optimal. The rent is small enough that waiting is not optimal.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from esper_schemas.heads import Stage
from esper_trainer.environments.morph.presets import GAMMA

ACCURACY = 3.0
CONTRIBUTION = 1.0
CONTRIBUTION_BOUND = 0.1
RENT = 0.004
SHAPING = 0.05
INVALID = 0.01
ROLLBACK = 1.0
"""The penalty of a step after which a host is rolled back; it replaces the reward of that step."""

STAGE_POTENTIALS: dict[Stage, float] = {
    Stage.DORMANT: 0.0,
    Stage.GERMINATED: 1.0,
    Stage.TRAINING: 2.0,
    Stage.BLENDING: 3.5,
    Stage.HOLDING: 5.5,
    Stage.FOSSILIZED: 6.0,
    Stage.EMBARGOED: 0.0,
}


class RewardInputs(NamedTuple):
    """What happened in a step; float32 unless noted.

    accuracy_gain [N]; contribution [3, N]; parameter_ratio [N], parameters of active seeds over those of the
    host; potential_before, potential_after [N]; legal bool [N], False where the action was illegal.
    """

    accuracy_gain: Tensor
    contribution: Tensor
    parameter_ratio: Tensor
    potential_before: Tensor
    potential_after: Tensor
    legal: Tensor


def reward(outcome: RewardInputs) -> Tensor:
    """The reward of a step, float32 [N], for environments that are alive."""
    bounded = outcome.contribution.clamp(-CONTRIBUTION_BOUND, CONTRIBUTION_BOUND)
    return (
        ACCURACY * outcome.accuracy_gain
        + CONTRIBUTION * bounded.sum(0)
        - RENT * torch.log1p(outcome.parameter_ratio)
        + SHAPING * (GAMMA * outcome.potential_after - outcome.potential_before)
        - INVALID * ~outcome.legal
    )


def potential_table(device: torch.device) -> Tensor:
    """The potential of each stage, float32 [7], indexed by `Stage`."""
    return torch.tensor([STAGE_POTENTIALS[stage] for stage in Stage], device=device)
