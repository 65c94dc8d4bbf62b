"""Which ops are open in which stage."""

import pytest
import torch

from esper_schemas.heads import HEAD_SIZES, HEADS, Blueprint, Op, Stage
from esper_trainer.environments.morph.action_masks import (
    PRUNE_MINIMUM_AGE,
    head_choices,
    is_legal,
    legality,
    open_slots,
)
from esper_trainer.environments.morph.presets import GATES
from esper_trainer.environments.morph.seeds import lifecycle
from esper_trainer.environments.morph.seeds.lifecycle import Action
from esper_trainer.environments.morph.seeds.stage_gates import Evidence, passed

CPU = torch.device("cpu")
ALIVE = torch.ones(1, dtype=torch.bool)
NOTHING_SHOWN = Evidence(torch.zeros(3, 1), torch.zeros(3, 1))
ALWAYS = {Op.WAIT}


def slots_in(stage: Stage, *, age: int = PRUNE_MINIMUM_AGE, moving: bool = False):
    """Slot 0 in a stage, the others dormant."""
    slots = lifecycle.empty(1, CPU)
    stages, ages, total = slots.stage.clone(), slots.age.clone(), slots.alpha.total.clone()
    stages[0, 0], ages[0, 0], total[0, 0] = int(stage), age, 3 * moving
    return slots._replace(stage=stages, age=ages, stage_age=ages, alpha=slots.alpha._replace(total=total))


def opened(slots, alive=ALIVE):
    """What is open behind permissive gates."""
    return open_slots(slots, alive, passed(slots, NOTHING_SHOWN, GATES["permissive"]))


def open_ops(slots) -> set[Op]:
    """The ops that slot 0 is open to."""
    return {op for op in Op if opened(slots)[op, 0, 0]}


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
def test_ops_by_stage(stage, ops):
    """What may be done to a seed that is old enough and whose weight holds."""
    assert open_ops(slots_in(stage)) == ops | ALWAYS


@pytest.mark.parametrize("stage", [Stage.BLENDING, Stage.HOLDING])
def test_nothing_but_waiting_while_the_weight_moves(stage):
    """A move has to end before the next decision about that seed."""
    assert open_ops(slots_in(stage, moving=True)) == ALWAYS


def test_a_young_seed_may_not_be_pruned():
    """Pruning opens at the minimum age."""
    young = slots_in(Stage.TRAINING, age=PRUNE_MINIMUM_AGE - 1)

    assert Op.PRUNE not in open_ops(young)


def test_the_suspended_may_only_wait():
    """No op but WAIT is open in an environment whose host is suspended."""
    closed = opened(slots_in(Stage.DORMANT), ~ALIVE)

    assert closed.any(1)[:, 0].tolist() == [True] + [False] * 5


def test_slot_masks_are_never_empty():
    """Where an op is closed its slot mask is full, where it is open it shows the open slots."""
    told = legality(opened(slots_in(Stage.HOLDING)), head_choices(CPU))

    assert told.op[:, 0].tolist() == [True, True, True, True, True, False]
    assert told.slot_by_op[Op.FOSSILIZE, :, 0].tolist() == [True, False, False]
    assert told.slot_by_op[Op.GERMINATE, :, 0].tolist() == [False, True, True]
    assert told.slot_by_op[Op.ADVANCE, :, 0].tolist() == [True, True, True]
    assert told.slot_by_op[Op.WAIT, :, 0].tolist() == [True, True, True]


def test_choices_are_the_heads_without_noop():
    """Padding is False, and blueprint NOOP is not offered."""
    choices = head_choices(CPU)
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
def test_legal_choices(op, slot, blueprint, expected):
    """The slot has to be open to the op, and a new seed needs a blueprint that is offered."""
    rows = {"op": int(op), "slot": slot, "blueprint": int(blueprint)}
    action = Action(*(torch.tensor([rows.get(head, 0)]) for head in HEADS))
    allowed = opened(slots_in(Stage.HOLDING))

    assert is_legal(action, allowed, head_choices(CPU)).tolist() == [expected]
