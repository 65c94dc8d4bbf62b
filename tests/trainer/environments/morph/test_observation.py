"""The 116 features have the values that the table describes."""

import pytest
import torch

from esper_schemas.heads import AlphaTarget, Blueprint, Op, Stage, Style, Tempo
from esper_trainer.environments.morph.observation import HOST_SIZE, SLOT_SIZE, symlog
from esper_trainer.environments.morph.observation_table import OBSERVATION_FEATURES


@pytest.fixture
def grown(make_environment, action):
    """An environment whose slot 1 has just begun to blend, after four steps."""
    environment = make_environment()
    environment.step(
        action(
            Op.GERMINATE,
            slot=1,
            blueprint=Blueprint.FLEX_ATTENTION,
            style=Style.GATED_GATE,
            tempo=Tempo.STANDARD,
            alpha_target=AlphaTarget.SEVENTY,
        )
    )
    environment.step(action(Op.ADVANCE, slot=1))
    environment.step(action(Op.FOSSILIZE, slot=1))
    environment.step(action(Op.ADVANCE, slot=1))
    return environment


def seen(environment, name):
    """One feature by its name, [N]."""
    names = [number.name for number in OBSERVATION_FEATURES]
    return environment.observe()[:, names.index(name)]


def seen_all(environment, *names):
    """Several features by their names, [N, n]."""
    return torch.stack([seen(environment, name) for name in names], 1)


def slot_part(environment, slot):
    """The features of one slot, [N, 31]."""
    start = HOST_SIZE + slot * SLOT_SIZE
    return environment.observe()[:, start : start + SLOT_SIZE]


LOSSES = [f"loss_{age}_ago" for age in (4, 3, 2, 1)]
ACCURACIES = [f"accuracy_{age}_ago" for age in (4, 3, 2, 1)]
LAST_OPS = [f"last_{op.name.lower()}" for op in Op]


def test_size(make_environment):
    """23 features of the host and 31 of each of three slots."""
    environment = make_environment()

    assert (HOST_SIZE, SLOT_SIZE) == (23, 31)
    assert environment.observe().shape == (4, environment.observation_size) == (4, 116)
    assert environment.observe().dtype == torch.float32


def test_feature_names_are_unique():
    """There are 116."""
    assert len({number.name for number in OBSERVATION_FEATURES}) == len(OBSERVATION_FEATURES) == 116


def test_a_new_episode(make_environment):
    """Before the first step there is one measurement, and no seed."""
    environment = make_environment()

    assert (seen(environment, "progress") == 0).all()
    assert torch.equal(seen(environment, "accuracy"), environment.accuracy)
    assert (seen_all(environment, *LOSSES, *ACCURACIES) == -1).all()
    assert torch.equal(seen(environment, "loss_0_ago"), seen(environment, "loss"))
    assert torch.equal(seen(environment, "accuracy_0_ago"), environment.accuracy)
    assert (seen(environment, "last_legal") == 1).all()
    assert seen_all(environment, *LAST_OPS).tolist() == [[1, 0, 0, 0, 0, 0]] * 4


def test_host_after_four_steps(grown):
    """Progress, histories, shares of stages and the last op have the documented values."""
    shares = seen_all(grown, "share_training", "share_blending", "share_holding")

    assert (seen(grown, "progress") == 4 / 64).all()
    assert torch.equal(seen(grown, "loss"), seen(grown, "loss_0_ago"))
    assert (seen_all(grown, *LOSSES, *ACCURACIES) >= 0).all()
    assert torch.equal(seen(grown, "accuracy_0_ago"), grown.accuracy)
    torch.testing.assert_close(shares, torch.tensor([[0, 1 / 3, 0]]).expand(4, -1))
    assert (seen(grown, "last_legal") == 1).all()
    assert seen_all(grown, *LAST_OPS).argmax(1).tolist() == [Op.ADVANCE] * 4


def test_histories_move_on(grown, action):
    """After the next step the current value is that of one step ago."""
    before = seen_all(grown, "loss_0_ago", "loss_3_ago", "accuracy_1_ago")
    grown.step(action(Op.WAIT))

    assert torch.equal(seen_all(grown, "loss_1_ago", "loss_4_ago", "accuracy_2_ago"), before)


def test_last_choice_illegal(make_environment, action):
    """An illegal action is flagged, and the last op is WAIT."""
    environment = make_environment()
    environment.step(action(Op.FOSSILIZE))

    assert (seen(environment, "last_legal") == 0).all()
    assert seen_all(environment, *LAST_OPS).argmax(1).tolist() == [Op.WAIT] * 4


def test_slot_of_a_blending_seed(grown):
    """All features of the seed have the documented values."""
    expected = {
        "active": 1.0,
        **{f"stage_{stage.name.lower()}": float(stage is Stage.BLENDING) for stage in Stage},
        "rectified": 1.0,
        "attends": 1.0,
        "alpha": 0.7 / 5,
        "tempo": 5 / 8,
        "alpha_target": 0.7,
        "alpha_mode": 1.0,
        "move_length": 5 / 8,
        "move_done": 1 / 8,
        "move_left": 4 / 8,
        "alpha_change": 0.7 / 5,
        "style_multiply": 0.0,
        "style_sigmoid": 0.0,
        "style_gated": 1.0,
        "gradient_healthy": 1.0,
        "gradient_vanishes": 0.0,
        "gradient_explodes": 0.0,
        "stage_age": 1 / 64,
        "age": 4 / 64,
    }

    for name, value in expected.items():
        assert seen(grown, f"r0c1.{name}").tolist() == pytest.approx([value] * 4), name
    assert (seen(grown, "r0c1.size") > 0.5).all()
    assert (seen(grown, "r0c1.gradient_norm") > 0).all()


def test_empty_slots_are_zero_but_for_their_stage(grown):
    """In a slot without a seed only the indicator of DORMANT is set."""
    for slot in (0, 2):
        assert (seen(grown, f"r0c{slot}.stage_dormant") == 1).all()
        assert (slot_part(grown, slot).abs().sum(1) == 1).all()


def test_contribution_is_what_the_step_measured(grown, action):
    """The features are the contribution, its change and its running average."""
    for _ in range(12):
        before = seen(grown, "r0c1.average_contribution"), seen(grown, "r0c1.contribution")
        step = grown.step(action(Op.WAIT))
        current = seen(grown, "r0c1.contribution")
        average = seen(grown, "r0c1.average_contribution")

        assert torch.equal(current, step.stage_changes.contribution[1])
        assert torch.equal(seen(grown, "r0c1.contribution_change"), current - before[1])
        torch.testing.assert_close(average, 0.8 * before[0] + 0.2 * current)
    assert (average != 0).any()


def test_symlog():
    """It is the identity near 0, a logarithm far away, and odd everywhere."""
    values = symlog(torch.tensor([-(torch.e**2) + 1, 0.0, 1e-4, torch.e**2 - 1]))

    torch.testing.assert_close(values, torch.tensor([-2.0, 0.0, 1e-4, 2.0]), atol=1e-6, rtol=0)
