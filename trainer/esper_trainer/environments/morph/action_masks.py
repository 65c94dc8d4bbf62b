"""Which choices are open: ops by the stage of the slots, and the fixed mask of every head."""

from typing import NamedTuple

import torch
from torch import Tensor

from esper_schemas.heads import HEAD_SIZES, HEADS, Blueprint, Op, Stage
from esper_trainer.environments.morph.seeds.lifecycle import Action, Slots

PRUNE_MINIMUM_AGE = 5
"""A seed gets this many steps before it may be pruned."""


class Legality(NamedTuple):
    """What may be chosen.

    op: bool [6, N]. slot_by_op: bool [6, 3, N], the slots that are open to each op; every slot is
    where an op is closed or is WAIT, so that no mask is ever empty. choices: bool [8, 13], the
    choices that a head has at all (blueprint NOOP is not offered).
    """

    op: Tensor
    slot_by_op: Tensor
    choices: Tensor


def head_choices(device: torch.device) -> Tensor:
    """The static mask bool [8, 13] of the choices that each head offers."""
    sizes = torch.tensor([HEAD_SIZES[head] for head in HEADS])
    mask = torch.arange(int(sizes.max())) < sizes[:, None]
    mask[HEADS.index("blueprint"), Blueprint.NOOP] = False
    return mask.to(device)


def open_slots(slots: Slots, alive: Tensor, passed: Tensor) -> Tensor:
    """True [6, 3, N] where an op may be applied to a slot; WAIT may be everywhere.

    alive: bool [N]; an environment that is suspended may only wait. passed: bool [3, N], `gates.passed`.
    """
    stage, holds = slots.stage, slots.alpha.holds
    blending, holding = stage == Stage.BLENDING, stage == Stage.HOLDING
    unblended = (stage == Stage.GERMINATED) | (stage == Stage.TRAINING)
    settled = (blending | holding) & holds
    by_op = {
        Op.GERMINATE: stage == Stage.DORMANT,
        Op.SET_ALPHA_TARGET: settled,
        Op.PRUNE: (unblended | settled) & (slots.age >= PRUNE_MINIMUM_AGE),
        Op.FOSSILIZE: holding & passed,
        Op.ADVANCE: (unblended | blending) & passed,
    }
    always = torch.ones_like(holds)
    return torch.stack([always if op is Op.WAIT else by_op[op] & alive for op in Op])


def legality(open_to_op: Tensor, choices: Tensor) -> Legality:
    """What the policy is told, from `open_slots` and `head_choices`."""
    op = open_to_op.any(1)
    return Legality(op, open_to_op | ~op[:, None], choices)


def is_legal(action: Action, open_to_op: Tensor, choices: Tensor) -> Tensor:
    """True [N] where the op may be applied to the slot with choices that are offered.

    Only the blueprint of a GERMINATE can be one that is not offered.
    """
    environments = torch.arange(action.op.shape[0], device=action.op.device)
    offered = choices[HEADS.index("blueprint")][action.blueprint]
    return open_to_op[action.op, action.slot, environments] & (offered | (action.op != Op.GERMINATE))
