"""The ops that are legal in each stage."""

import pytest
import torch

from esper_schemas.heads import HEAD_SIZES, HEADS, Blueprint, Op, Stage
from esper_trainer.environments.morph.action_masks import (
    PRUNE_MINIMUM_AGE,
    action_masks,
    is_legal,
    slot_masks,
    static_choices,
)
from esper_trainer.environments.morph.presets import GATES
from esper_trainer.environments.morph.seeds import lifecycle
from esper_trainer.environments.morph.seeds.lifecycle import Action
from esper_trainer.environments.morph.seeds.stage_gates import GateInputs, gates_passed

CPU = torch.device("cpu")
ALIVE = torch.ones(1, dtype=torch.bool)
NOTHING_SHOWN = GateInputs(torch.zeros(3, 1), torch.zeros(3, 1))
ALWAYS = {Op.WAIT}


def slots_in(stage: Stage, *, age: int = PRUNE_MINIMUM_AGE, moving: bool = False):
    """Slot 0 in a stage, the others dormant."""
    slots = lifecycle.empty(1, CPU)
    stages, ages, duration = slots.stage.clone(), slots.age.clone(), slots.alpha.duration.clone()
    stages[0, 0], ages[0, 0], duration[0, 0] = int(stage), age, 3 * moving
    return slots._replace(
        stage=stages, age=ages, stage_age=ages, alpha=slots.alpha._replace(duration=duration)
    )


def legal_slots(slots, alive=ALIVE):
    """The slot masks with permissive gates."""
    return slot_masks(slots, alive, gates_passed(slots, NOTHING_SHOWN, GATES["permissive"]))


def legal_ops(slots) -> set[Op]:
    """The ops that are legal for slot 0."""
    return {op for op in Op if legal_slots(slots)[op, 0, 0]}


@pytest.mark.parametrize(
    ("stage", "ops"),
    [
        (Stage.DORMANT, {Op.GERMINATE}),
        (Stage.GERMINATED, {Op.ADVANCE, Op.PRUNE}),
        (Stage.TRAINING, {Op.ADVANCE, Op.PRUNE}),
        (Stage.BLENDING, {Op.ADVANCE, Op.PRUNE, Op.SET_ALPHA_TARGET}),
        (Stage.HOLDING, {Op.FOSSILIZE, Op.PRUNE, Op.SET_ALPHA_TARGET}),
        (Stage.FOSSILIZED, set()),
        (Stage.EMBARGOED, set()),
    ],
)
def test_legal_ops_by_stage(stage, ops):
    """The legal ops for a seed that is old enough and whose weight does not move."""
    assert legal_ops(slots_in(stage)) == ops | ALWAYS


@pytest.mark.parametrize("stage", [Stage.BLENDING, Stage.HOLDING])
def test_only_wait_is_legal_while_the_weight_moves(stage):
    """A move has to end before the next op on that seed."""
    assert legal_ops(slots_in(stage, moving=True)) == ALWAYS


def test_a_young_seed_may_not_be_pruned():
    """Pruning becomes legal at the minimum age."""
    young = slots_in(Stage.TRAINING, age=PRUNE_MINIMUM_AGE - 1)

    assert Op.PRUNE not in legal_ops(young)


def test_only_wait_is_legal_while_a_host_is_suspended():
    """No other op is legal in any slot."""
    closed = legal_slots(slots_in(Stage.DORMANT), ~ALIVE)

    assert closed.any(1)[:, 0].tolist() == [True] + [False] * 5


def test_slot_masks_are_never_empty():
    """The slot mask of an illegal op is full; that of a legal op has the legal slots."""
    masks = action_masks(legal_slots(slots_in(Stage.HOLDING)), static_choices(CPU))

    assert masks.op[:, 0].tolist() == [True, True, True, True, True, False]
    assert masks.slot_by_op[Op.FOSSILIZE, :, 0].tolist() == [True, False, False]
    assert masks.slot_by_op[Op.GERMINATE, :, 0].tolist() == [False, True, True]
    assert masks.slot_by_op[Op.ADVANCE, :, 0].tolist() == [True, True, True]
    assert masks.slot_by_op[Op.WAIT, :, 0].tolist() == [True, True, True]


def test_choices_are_the_heads_without_noop():
    """Padding is False, and blueprint NOOP is not offered."""
    choices = static_choices(CPU)
    offered = {head: int(row.sum()) for head, row in zip(HEADS, choices, strict=True)}

    assert choices.shape == (len(HEADS), max(HEAD_SIZES.values()))
    assert offered == HEAD_SIZES | {"blueprint": HEAD_SIZES["blueprint"] - 1}
    assert not choices[HEADS.index("blueprint"), Blueprint.NOOP]


@pytest.mark.parametrize(
    ("op", "slot", "blueprint", "expected"),
    [
        (Op.WAIT, 1, Blueprint.NOOP, True),
        (Op.GERMINATE, 1, Blueprint.MLP, True),
        (Op.GERMINATE, 1, Blueprint.NOOP, False),
        (Op.GERMINATE, 0, Blueprint.MLP, False),
        (Op.FOSSILIZE, 0, Blueprint.NOOP, True),
        (Op.FOSSILIZE, 1, Blueprint.NOOP, False),
    ],
)
def test_is_legal(op, slot, blueprint, expected):
    """The op must be legal in the chosen slot, and a new seed needs a blueprint that is offered."""
    rows = {"op": int(op), "slot": slot, "blueprint": int(blueprint)}
    action = Action(*(torch.tensor([rows.get(head, 0)]) for head in HEADS))
    allowed = legal_slots(slots_in(Stage.HOLDING))

    assert is_legal(action, allowed, static_choices(CPU)).tolist() == [expected]
