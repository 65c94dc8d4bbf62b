"""The lifecycle of a seed in its slot: the effects of ops and of time.

    DORMANT -germinate-> GERMINATED -advance-> TRAINING -advance-> BLENDING -advance-> HOLDING
    HOLDING -fossilize-> FOSSILIZED, which is final
    GERMINATED..HOLDING -prune-> (BLENDING while alpha runs down) -> EMBARGOED -> DORMANT

All state is [slots, environments] and changes only through `torch.where` into new tensors: what was read
before a step stays valid.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from esper_schemas.heads import HEAD_SIZES, AlphaCurve, Blueprint, Op, Stage, Style
from esper_trainer.environments.morph.seeds.alpha_controller import (
    AlphaState,
    AlphaTables,
    idle,
    retarget,
    tick,
)

SLOTS = HEAD_SIZES["slot"]
EMBARGO_STEPS = 5
"""Steps for which a slot stays closed after its seed was pruned."""


class Action(NamedTuple):
    """One choice per head, int64 [N] each, in the order of `HEADS`."""

    op: Tensor
    slot: Tensor
    blueprint: Tensor
    style: Tensor
    tempo: Tensor
    alpha_target: Tensor
    alpha_speed: Tensor
    alpha_curve: Tensor


class Slots(NamedTuple):
    """The state of the slots that ops and time change; int64 [3, N] except `alpha`.

    stage, blueprint, style: values of their enums; the blueprint of an empty slot is NOOP.
    tempo, alpha_target: chosen at germination, used when blending begins.
    age, stage_age: steps since germination, and in the present stage.
    """

    stage: Tensor
    blueprint: Tensor
    style: Tensor
    tempo: Tensor
    alpha_target: Tensor
    age: Tensor
    stage_age: Tensor
    alpha: AlphaState

    @property
    def active(self) -> Tensor:
        """True where there is a seed."""
        return (self.stage != Stage.DORMANT) & (self.stage != Stage.EMBARGOED)

    @property
    def is_learning(self) -> Tensor:
        """True where a seed takes part in gradient descent."""
        return (self.stage >= Stage.TRAINING) & (self.stage <= Stage.FOSSILIZED)


def empty(environments: int, device: torch.device) -> Slots:
    """Three dormant slots in every environment."""
    zeros = torch.zeros(SLOTS, environments, dtype=torch.int64, device=device)
    return Slots(*(zeros,) * 7, alpha=idle(SLOTS, environments, device))


def chosen(action: Action, op: Op) -> Tensor:
    """True [3, N] at the chosen slot of every environment whose op is `op`."""
    slots = torch.arange(SLOTS, device=action.slot.device)[:, None]
    return (slots == action.slot) & (action.op == op)


def apply(slots: Slots, action: Action, tables: AlphaTables) -> Slots:
    """Apply legal actions to the slots."""
    slots = _germinate(slots, chosen(action, Op.GERMINATE), action)
    slots = _advance(slots, chosen(action, Op.ADVANCE), tables)
    slots = _set_alpha_target(slots, chosen(action, Op.SET_ALPHA_TARGET), action, tables)
    slots = _prune(slots, chosen(action, Op.PRUNE), action, tables)
    return _enter(slots, chosen(action, Op.FOSSILIZE), int(Stage.FOSSILIZED))


def pass_time(slots: Slots, tables: AlphaTables) -> Slots:
    """Age every seed, advance every blend by one step, and end prunings and embargoes."""
    slots = slots._replace(alpha=tick(slots.alpha, tables), age=slots.age + 1, stage_age=slots.stage_age + 1)
    pruned = (slots.stage == Stage.BLENDING) & (slots.alpha.target == 0) & slots.alpha.is_idle
    released = (slots.stage == Stage.EMBARGOED) & (slots.stage_age >= EMBARGO_STEPS)
    slots = _enter(slots, pruned, int(Stage.EMBARGOED))
    slots = _enter(slots, released, int(Stage.DORMANT))
    return slots._replace(blueprint=slots.blueprint.masked_fill(released, int(Blueprint.NOOP)))


def _enter(slots: Slots, where: Tensor, stage: Tensor | int) -> Slots:
    return slots._replace(
        stage=torch.where(where, stage, slots.stage),
        stage_age=slots.stage_age.masked_fill(where, 0),
    )


def _germinate(slots: Slots, where: Tensor, action: Action) -> Slots:
    return _enter(slots, where, int(Stage.GERMINATED))._replace(
        blueprint=torch.where(where, action.blueprint, slots.blueprint),
        style=torch.where(where, action.style, slots.style),
        tempo=torch.where(where, action.tempo, slots.tempo),
        alpha_target=torch.where(where, action.alpha_target, slots.alpha_target),
        age=slots.age.masked_fill(where, 0),
    )


def _advance(slots: Slots, where: Tensor, tables: AlphaTables) -> Slots:
    """Move to the next stage; blending starts with the tempo that was chosen at germination."""
    sigmoid = slots.style == Style.SIGMOID_ADD
    curve = torch.where(sigmoid, int(AlphaCurve.SIGMOID), int(AlphaCurve.LINEAR))
    alpha = retarget(
        slots.alpha,
        where & (slots.stage == Stage.TRAINING),
        target=tables.targets[slots.alpha_target],
        duration=tables.tempo_steps[slots.tempo],
        curve=curve,
    )
    return _enter(slots._replace(alpha=alpha), where, slots.stage + 1)


def _set_alpha_target(slots: Slots, where: Tensor, action: Action, tables: AlphaTables) -> Slots:
    alpha = retarget(
        slots.alpha,
        where,
        target=tables.targets[action.alpha_target],
        duration=tables.speed_steps[action.alpha_speed],
        curve=action.alpha_curve,
    )
    return slots._replace(alpha=alpha, style=torch.where(where, action.style, slots.style))


def _prune(slots: Slots, where: Tensor, action: Action, tables: AlphaTables) -> Slots:
    """Run the blend weight down to 0; `pass_time` completes the pruning, at once if the weight is 0
    already."""
    speed = tables.speed_steps[action.alpha_speed]
    alpha = retarget(
        slots.alpha,
        where,
        target=torch.zeros_like(slots.alpha.target),
        duration=torch.where(slots.alpha.value > 0, speed, 0),
        curve=action.alpha_curve,
    )
    return _enter(slots._replace(alpha=alpha), where, int(Stage.BLENDING))
