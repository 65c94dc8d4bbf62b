"""The conditions under which a seed may advance."""

import pytest
import torch

from esper_schemas.heads import AlphaTarget, Blueprint, Op, Stage
from esper_trainer.environments.morph.observation_table import EXPLODING_NORM
from esper_trainer.environments.morph.presets import GATES
from esper_trainer.environments.morph.seeds import lifecycle
from esper_trainer.environments.morph.seeds.stage_gates import GateInputs, gates_passed

CPU = torch.device("cpu")


def is_open(gates, stage, *, steps=10, norm=0.1, contribution=0.1, moving=False):
    """Whether the gate after a stage is open for slot 0."""
    slots = lifecycle.empty(1, CPU)
    stages, ages, duration = slots.stage.clone(), slots.stage_age.clone(), slots.alpha.duration.clone()
    stages[0, 0], ages[0, 0], duration[0, 0] = int(stage), steps, 3 * moving
    slots = slots._replace(stage=stages, stage_age=ages, alpha=slots.alpha._replace(duration=duration))
    evidence = GateInputs(torch.full((3, 1), norm), torch.full((3, 1), contribution))
    return bool(gates_passed(slots, evidence, GATES[gates])[0, 0])


@pytest.mark.parametrize("gates", GATES)
@pytest.mark.parametrize("stage", [Stage.GERMINATED, Stage.TRAINING, Stage.BLENDING, Stage.HOLDING])
def test_a_seed_that_meets_all_conditions_may_advance(gates, stage):
    """All gates are open for it."""
    assert is_open(gates, stage)


@pytest.mark.parametrize("norm", [1.01 * EXPLODING_NORM, torch.inf, torch.nan])
def test_an_exploding_gradient_closes_the_gate_to_blending(norm):
    """This is gate G2; a NaN norm closes it too."""
    assert not is_open("permissive", Stage.TRAINING, norm=norm)
    assert is_open("permissive", Stage.GERMINATED, norm=norm)


@pytest.mark.parametrize("stage", [Stage.BLENDING, Stage.HOLDING])
def test_a_moving_weight_closes_the_gates_after_blending(stage):
    """Gates G3 and G5 wait for the weight to reach its target."""
    assert not is_open("permissive", stage, moving=True)


@pytest.mark.parametrize(
    ("stage", "shown"),
    [
        (Stage.TRAINING, {"steps": 3}),
        (Stage.BLENDING, {"steps": 3}),
        (Stage.HOLDING, {"contribution": 0.009}),
        (Stage.HOLDING, {"contribution": -0.1}),
    ],
)
def test_strict_gates_require_more(stage, shown):
    """They require steps of training and of blending, and a contribution; permissive gates do not."""
    assert not is_open("strict", stage, **shown)
    assert is_open("permissive", stage, **shown)


def test_a_closed_gate_makes_the_op_illegal(make_environment, action):
    """ADVANCE is not offered, and takes effect as WAIT if it is chosen."""
    environment = make_environment(gates="strict")
    environment.step(action(Op.GERMINATE, blueprint=Blueprint.MLP, alpha_target=AlphaTarget.FULL))
    environment.step(action(Op.ADVANCE))
    offered, legal = [], []
    for _ in range(4):
        offered.append(environment.action_masks().op[Op.ADVANCE].all().item())
        legal.append(environment.step(action(Op.ADVANCE)).stage_changes.legal.all().item())

    assert offered == legal == [False, False, False, True]
    assert (environment.stage[0] == Stage.BLENDING).all()
