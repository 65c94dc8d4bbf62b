"""Stage gates: the conditions under which a seed may advance to its next stage.

    G1  GERMINATED -> TRAINING     there is a seed
    G2  TRAINING -> BLENDING       it has trained for some steps, and its gradient does not explode
    G3  BLENDING -> HOLDING        its weight has reached the target, after some steps of blending
    G5  HOLDING -> FOSSILIZED      its weight is at the target, and it contributes enough

Permissive gates require only what is technically necessary, so that the policy has to learn when to advance;
strict gates require evidence. A closed gate makes the op illegal for that slot.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from esper_schemas.heads import Stage
from esper_trainer.environments.morph.observation_table import EXPLODING_NORM
from esper_trainer.environments.morph.presets import GateThresholds
from esper_trainer.environments.morph.seeds.lifecycle import Slots


class GateInputs(NamedTuple):
    """What the gates test, float32 [3, N]: the norm of the averaged gradient, and the running average of
    the contribution to the accuracy."""

    gradient_norm: Tensor
    contribution: Tensor


def gates_passed(slots: Slots, inputs: GateInputs, gates: GateThresholds) -> Tensor:
    """True [3, N] where the next gate is open, and where a slot has no gate ahead."""
    stable = inputs.gradient_norm <= EXPLODING_NORM  # False if the norm is NaN
    trained = stable & (slots.stage_age >= gates.training_steps)
    blended = slots.alpha.is_idle & (slots.stage_age >= gates.blending_steps)
    proven = slots.alpha.is_idle & (inputs.contribution >= gates.contribution)
    by_stage = {Stage.TRAINING: trained, Stage.BLENDING: blended, Stage.HOLDING: proven}
    result = torch.ones_like(stable)
    for stage, is_open in by_stage.items():
        result = torch.where(slots.stage == stage, is_open, result)
    return result
