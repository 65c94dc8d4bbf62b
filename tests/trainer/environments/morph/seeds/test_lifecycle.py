"""Every transition of a seed's lifecycle, one environment at a time."""

import pytest
import torch

from esper_schemas.heads import (
    HEADS,
    AlphaCurve,
    AlphaSpeed,
    AlphaTarget,
    Blueprint,
    Op,
    Stage,
    Style,
    Tempo,
)
from esper_trainer.environments.morph.seeds import alpha_controller, lifecycle
from esper_trainer.environments.morph.seeds.lifecycle import EMBARGO_STEPS, Action

CPU = torch.device("cpu")
TABLES = alpha_controller.build_tables(CPU)


class Life:
    """One environment's slots, stepped by legal ops."""

    def __init__(self) -> None:
        self.slots = lifecycle.empty(1, CPU)

    def do(self, op: Op, slot: int = 0, **choices: int) -> "Life":
        """Apply one op and one step of time."""
        rows = {"op": int(op), "slot": slot} | {k: int(v) for k, v in choices.items()}
        action = Action(*(torch.tensor([rows.get(head, 0)]) for head in HEADS))
        slots = lifecycle.apply(self.slots, action, TABLES)
        self.slots = lifecycle.pass_time(slots, TABLES)
        return self

    def wait(self, steps: int) -> "Life":
        """Apply steps of time."""
        for _ in range(steps):
            self.do(Op.WAIT)
        return self

    def until(self, stage: Stage, **choices: int) -> "Life":
        """Advance slot 0 to a stage by the shortest path."""
        self.do(Op.GERMINATE, alpha_target=AlphaTarget.FULL, blueprint=Blueprint.MLP, **choices)
        for _ in range(stage - Stage.GERMINATED):
            while self.slots.stage[0, 0] == Stage.BLENDING and not self.slots.alpha.is_idle[0, 0]:
                self.wait(1)
            self.do(Op.FOSSILIZE if self.stage is Stage.HOLDING else Op.ADVANCE)
        return self

    @property
    def stage(self) -> Stage:
        """The stage of slot 0."""
        return Stage(int(self.slots.stage[0, 0]))

    @property
    def alpha(self) -> float:
        """The blend weight of slot 0."""
        return self.slots.alpha.value[0, 0].item()


def test_actions_name_the_heads_in_order():
    """The rows of an action are the heads."""
    assert Action._fields == HEADS


def test_germination_records_the_choices():
    """A germinated seed has its blueprint, style, tempo and target, and its age starts."""
    life = Life().do(
        Op.GERMINATE,
        slot=2,
        blueprint=Blueprint.LORA,
        style=Style.GATED_GATE,
        tempo=Tempo.SLOW,
        alpha_target=AlphaTarget.SEVENTY,
    )
    slots = life.slots

    assert slots.stage[:, 0].tolist() == [Stage.DORMANT, Stage.DORMANT, Stage.GERMINATED]
    assert slots.blueprint[2, 0] == Blueprint.LORA
    assert slots.style[2, 0] == Style.GATED_GATE
    assert slots.tempo[2, 0] == Tempo.SLOW
    assert slots.alpha_target[2, 0] == AlphaTarget.SEVENTY
    assert slots.age[2, 0] == 1


@pytest.mark.parametrize(
    "stage",
    [Stage.GERMINATED, Stage.TRAINING, Stage.BLENDING, Stage.HOLDING, Stage.FOSSILIZED],
)
def test_stages_from_germinated_to_fossilized(stage):
    """ADVANCE leads from stage to stage up to HOLDING, then FOSSILIZE to the last one."""
    assert Life().until(stage).stage is stage


def test_alpha_is_zero_until_blending():
    """A seed in TRAINING has weight 0, but is learning."""
    life = Life().until(Stage.TRAINING).wait(3)

    assert life.alpha == 0
    assert life.slots.is_learning[0, 0]


@pytest.mark.parametrize(("tempo", "steps"), [(Tempo.FAST, 3), (Tempo.STANDARD, 5), (Tempo.SLOW, 8)])
def test_blending_takes_the_tempo(tempo, steps):
    """The blend weight reaches its target in 3, 5 or 8 steps and then holds."""
    life = Life().until(Stage.BLENDING, tempo=tempo)
    life.wait(steps - 2)
    before = life.alpha
    life.wait(1)

    assert 0 < before < 1
    assert life.alpha == 1.0
    assert life.slots.alpha.is_idle[0, 0]


def test_sigmoid_add_blends_along_a_sigmoid():
    """The style decides the curve of the first blend."""
    linear = Life().until(Stage.BLENDING, tempo=Tempo.STANDARD, style=Style.LINEAR_ADD)
    sigmoid = Life().until(Stage.BLENDING, tempo=Tempo.STANDARD, style=Style.SIGMOID_ADD)

    assert linear.alpha == pytest.approx(0.2)
    assert sigmoid.alpha < 0.05


def test_setting_a_target_moves_alpha_and_style_but_not_the_stage():
    """SET_ALPHA_TARGET retargets a held seed with the chosen speed and curve."""
    life = Life().until(Stage.HOLDING)
    life.do(
        Op.SET_ALPHA_TARGET,
        style=Style.GATED_GATE,
        alpha_target=AlphaTarget.HALF,
        alpha_speed=AlphaSpeed.FAST,
        alpha_curve=AlphaCurve.LINEAR,
    )

    assert life.stage is Stage.HOLDING
    assert life.alpha == pytest.approx(1 - 0.5 / 3)
    assert life.slots.style[0, 0] == Style.GATED_GATE
    assert life.wait(2).alpha == 0.5


@pytest.mark.parametrize("stage", [Stage.GERMINATED, Stage.TRAINING])
def test_pruning_an_unblended_seed_embargoes_at_once(stage):
    """There is no weight to reduce, so that the speed does not matter."""
    life = Life().until(stage).do(Op.PRUNE, alpha_speed=AlphaSpeed.SLOW)

    assert life.stage is Stage.EMBARGOED


def test_pruning_instantly_embargoes_at_once():
    """INSTANT drops the weight to 0 in the same step."""
    life = Life().until(Stage.HOLDING).do(Op.PRUNE, alpha_speed=AlphaSpeed.INSTANT)

    assert life.stage is Stage.EMBARGOED
    assert life.alpha == 0


def test_pruning_slowly_reduces_the_weight_first():
    """A scheduled pruning is BLENDING towards 0; the embargo begins when it reaches 0."""
    life = Life().until(Stage.HOLDING)
    life.do(Op.PRUNE, alpha_speed=AlphaSpeed.FAST, alpha_curve=AlphaCurve.LINEAR)
    seen = [(life.stage, life.alpha)]
    for _ in range(2):
        life.wait(1)
        seen.append((life.stage, life.alpha))

    assert [stage for stage, _ in seen] == [Stage.BLENDING, Stage.BLENDING, Stage.EMBARGOED]
    assert [weight for _, weight in seen] == pytest.approx([2 / 3, 1 / 3, 0])


def test_an_embargo_lasts_its_steps_and_then_frees_the_slot():
    """The blueprint is remembered until the slot is free again."""
    life = Life().until(Stage.TRAINING).do(Op.PRUNE)
    life.wait(EMBARGO_STEPS - 1)
    during = (life.stage, int(life.slots.blueprint[0, 0]))
    life.wait(1)

    assert during == (Stage.EMBARGOED, Blueprint.MLP)
    assert life.stage is Stage.DORMANT
    assert life.slots.blueprint[0, 0] == Blueprint.NOOP


def test_a_fossil_stays():
    """Time does not change the stage of a fossilised seed, which keeps learning and keeps its weight."""
    life = Life().until(Stage.FOSSILIZED).wait(20)

    assert life.stage is Stage.FOSSILIZED
    assert life.alpha == 1.0
    assert life.slots.is_learning[0, 0]


def test_waiting_changes_nothing_but_ages():
    """WAIT leaves dormant slots dormant."""
    life = Life().wait(10)

    assert (life.slots.stage == Stage.DORMANT).all()
    assert (life.slots.alpha.value == 0).all()


def test_stage_age_starts_over_with_each_stage():
    """It counts the steps of the current stage only; age counts all."""
    life = Life().until(Stage.TRAINING).wait(4)

    assert life.slots.stage_age[0, 0] == 5
    assert life.slots.age[0, 0] == 6


def test_old_state_is_never_written_to():
    """A step makes new tensors, so that recorded state stays valid."""
    life = Life().until(Stage.TRAINING)
    before = life.slots
    copy = [tensor.clone() for tensor in before[:-1]]
    life.do(Op.ADVANCE)

    assert all(torch.equal(a, b) for a, b in zip(before[:-1], copy, strict=True))
