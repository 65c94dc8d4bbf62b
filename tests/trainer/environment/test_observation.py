"""The 116 numbers, at the places the documentation gives them."""

import pytest
import torch

from esper_schemas.heads import AlphaTarget, Blueprint, Op, Stage, Style, Tempo
from esper_trainer.environment.observation import HOST_FEATURES, SLOT_FEATURES, symlog


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


def host_part(environment):
    """The numbers about the host, [N, 23]."""
    return environment.observe()[:, :HOST_FEATURES]


def slot_part(environment, slot):
    """The numbers about one slot, [N, 31]."""
    start = HOST_FEATURES + slot * SLOT_FEATURES
    return environment.observe()[:, start : start + SLOT_FEATURES]


def test_size(make_environment):
    """23 numbers for the host and 31 for each of three slots."""
    environment = make_environment()

    assert (HOST_FEATURES, SLOT_FEATURES) == (23, 31)
    assert environment.observe().shape == (4, environment.observation_size) == (4, 116)
    assert environment.observe().dtype == torch.float32


def test_a_new_episode(make_environment):
    """Before the first step there is one measurement, and no seed."""
    environment = make_environment()
    seen = host_part(environment)

    assert (seen[:, 0] == 0).all()
    assert torch.equal(seen[:, 2], environment.accuracy)
    assert (seen[:, 3:7] == -1).all()
    assert torch.equal(seen[:, 7], seen[:, 1])
    assert (seen[:, 8:12] == -1).all()
    assert torch.equal(seen[:, 12], environment.accuracy)
    assert (seen[:, 16] == 1).all()
    assert seen[:, 17:23].tolist() == [[1, 0, 0, 0, 0, 0]] * 4


def test_host_after_four_steps(grown):
    """Progress, histories, shares of stages and the last op are where they are documented."""
    seen = host_part(grown)

    assert (seen[:, 0] == 4 / 64).all()
    assert torch.equal(seen[:, 1], seen[:, 7])
    assert (seen[:, 3:13] >= 0).all()
    assert torch.equal(seen[:, 12], grown.accuracy)
    torch.testing.assert_close(seen[:, 13:16], torch.tensor([[0, 1 / 3, 0]]).expand(4, -1))
    assert (seen[:, 16] == 1).all()
    assert seen[:, 17:23].argmax(1).tolist() == [Op.ADVANCE] * 4


def test_last_choice_illegal(make_environment, action):
    """An illegal choice shows as such, and as the WAIT that it became."""
    environment = make_environment()
    environment.step(action(Op.FOSSILIZE))
    seen = host_part(environment)

    assert (seen[:, 16] == 0).all()
    assert seen[:, 17:23].argmax(1).tolist() == [Op.WAIT] * 4


def test_slot_of_a_blending_seed(grown):
    """Everything about the seed is where it is documented."""
    seen = slot_part(grown, 1)
    expected = {
        0: 1.0,
        **{1 + stage: float(stage is Stage.BLENDING) for stage in Stage},
        9: 1.0,
        10: 1.0,
        11: 0.7 / 5,
        14: 5 / 8,
        15: 0.7,
        16: 1.0,
        17: 5 / 8,
        18: 1 / 8,
        19: 4 / 8,
        20: 0.7 / 5,
        21: 0.0,
        22: 0.0,
        23: 1.0,
        25: 1.0,
        26: 0.0,
        27: 0.0,
        28: 1 / 64,
        30: 4 / 64,
    }

    for index, value in expected.items():
        assert seen[:, index].tolist() == pytest.approx([value] * 4), index
    assert (seen[:, 8] > 0.5).all()
    assert (seen[:, 24] > 0).all()


def test_empty_slots_are_zero_but_for_their_stage(grown):
    """A slot without a seed says DORMANT and nothing else."""
    for slot in (0, 2):
        seen = slot_part(grown, slot)

        assert (seen[:, 1 + Stage.DORMANT] == 1).all()
        assert (seen.sum(1) == 1).all()


def test_contribution_is_what_the_step_measured(grown, action):
    """Numbers 12, 13 and 29 are the contribution, its change and its running average."""
    for _ in range(12):
        before = slot_part(grown, 1)
        step = grown.step(action(Op.WAIT))
        seen = slot_part(grown, 1)
        average = 0.8 * before[:, 29] + 0.2 * seen[:, 12]

        assert torch.equal(seen[:, 12], step.stage_changes.contribution[1])
        assert torch.equal(seen[:, 13], seen[:, 12] - before[:, 12])
        torch.testing.assert_close(seen[:, 29], average)
    assert (average != 0).any()


def test_symlog():
    """The identity near 0, a logarithm far away, odd everywhere."""
    seen = symlog(torch.tensor([-(torch.e**2) + 1, 0.0, 1e-4, torch.e**2 - 1]))

    torch.testing.assert_close(seen, torch.tensor([-2.0, 0.0, 1e-4, 2.0]), atol=1e-6, rtol=0)
