"""The gates of a seed's life: what has to hold before it may move on.

    G1  GERMINATED -> TRAINING     there is a seed
    G2  TRAINING -> BLENDING       it has trained for some steps, and its gradient does not explode
    G3  BLENDING -> HOLDING        its weight has reached the target, after some steps of blending
    G5  HOLDING -> FOSSILIZED      its weight holds, and it contributes enough

Permissive gates let through what can go on at all, so that the policy has to learn when it should; strict
ones ask for evidence. A gate that is shut makes the op illegal for that slot.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from esper_schemas.heads import Stage
from esper_trainer.environments.morph.observation_table import EXPLODING_NORM
from esper_trainer.environments.morph.presets import Gates
from esper_trainer.environments.morph.seeds.lifecycle import Slots


class Evidence(NamedTuple):
    """What gates ask about seeds, float32 [3, N]: the norm of the averaged gradient, and the running
    average of the contribution to the accuracy."""

    gradient_norm: Tensor
    contribution: Tensor


def passed(slots: Slots, evidence: Evidence, gates: Gates) -> Tensor:
    """True [3, N] where the next gate is open; also where a slot has none ahead."""
    calm = evidence.gradient_norm <= EXPLODING_NORM  # False for a norm that is no number
    trained = calm & (slots.stage_age >= gates.training_steps)
    blended = slots.alpha.holds & (slots.stage_age >= gates.blending_steps)
    proven = slots.alpha.holds & (evidence.contribution >= gates.contribution)
    by_stage = {Stage.TRAINING: trained, Stage.BLENDING: blended, Stage.HOLDING: proven}
    result = torch.ones_like(calm)
    for stage, is_open in by_stage.items():
        result = torch.where(slots.stage == stage, is_open, result)
    return result
