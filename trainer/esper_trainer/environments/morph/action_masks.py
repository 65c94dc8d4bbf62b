"""Action masks: the ops that are legal in the present stages, and the static mask of every head."""

from typing import NamedTuple

import torch
from torch import Tensor

from esper_schemas.heads import HEAD_SIZES, HEADS, Blueprint, Op, Stage
from esper_trainer.environments.morph.seeds.lifecycle import Action, Slots

PRUNE_MINIMUM_AGE = 5
"""Steps since germination before a seed may be pruned."""


class ActionMasks(NamedTuple):
    """The choices that are legal now.

    op: bool [6, N]. slot_by_op: bool [6, 3, N], the slots to which each op may be applied; all slots for an
    op that is illegal and for WAIT, so that no mask is ever empty. choices: bool [8, 13], the static mask of
    the choices that each head offers (blueprint NOOP is not offered).
    """

    op: Tensor
    slot_by_op: Tensor
    choices: Tensor


def static_choices(device: torch.device) -> Tensor:
    """The static mask bool [8, 13] of the choices that each head offers."""
    sizes = torch.tensor([HEAD_SIZES[head] for head in HEADS])
    mask = torch.arange(int(sizes.max())) < sizes[:, None]
    mask[HEADS.index("blueprint"), Blueprint.NOOP] = False
    return mask.to(device)


def slot_masks(slots: Slots, alive: Tensor, gates_passed: Tensor) -> Tensor:
    """The slots to which each op may be applied, bool [6, 3, N]; WAIT may be applied to all of them.

    alive: bool [N]; only WAIT is legal while a host is suspended. gates_passed: bool [3, N], see
    `stage_gates`.
    """
    stage, is_idle = slots.stage, slots.alpha.is_idle
    blending, holding = stage == Stage.BLENDING, stage == Stage.HOLDING
    unblended = (stage == Stage.GERMINATED) | (stage == Stage.TRAINING)
    settled = (blending | holding) & is_idle
    by_op = {
        Op.GERMINATE: stage == Stage.DORMANT,
        Op.SET_ALPHA_TARGET: settled,
        Op.PRUNE: (unblended | settled) & (slots.age >= PRUNE_MINIMUM_AGE),
        Op.FOSSILIZE: holding & gates_passed,
        Op.ADVANCE: (unblended | blending) & gates_passed,
    }
    always = torch.ones_like(is_idle)
    return torch.stack([always if op is Op.WAIT else by_op[op] & alive for op in Op])


def action_masks(slots_by_op: Tensor, choices: Tensor) -> ActionMasks:
    """Build the masks for the policy from `slot_masks` and `static_choices`."""
    op = slots_by_op.any(1)
    return ActionMasks(op, slots_by_op | ~op[:, None], choices)


def is_legal(action: Action, slots_by_op: Tensor, choices: Tensor) -> Tensor:
    """True [N] where the op may be applied to the chosen slot and every choice is offered.

    Only GERMINATE can choose a blueprint that is not offered.
    """
    environments = torch.arange(action.op.shape[0], device=action.op.device)
    offered = choices[HEADS.index("blueprint")][action.blueprint]
    return slots_by_op[action.op, action.slot, environments] & (offered | (action.op != Op.GERMINATE))
