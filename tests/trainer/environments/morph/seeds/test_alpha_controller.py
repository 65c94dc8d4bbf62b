"""The alpha controller: curves at points computed by hand, moves, jumps and idling."""

import math

import pytest
import torch

from esper_schemas.heads import AlphaCurve, AlphaSpeed, AlphaTarget, Tempo
from esper_trainer.environments.morph.seeds import alpha_controller
from esper_trainer.environments.morph.seeds.alpha_controller import AlphaMode

CPU = torch.device("cpu")
TABLES = alpha_controller.build_tables(CPU)


def value(curve: AlphaCurve, progress: float) -> float:
    """One curve at one point."""
    return alpha_controller.curve_value(torch.tensor(int(curve)), torch.tensor(progress), TABLES).item()


def move(start: float, target: float, steps: int, curve: AlphaCurve = AlphaCurve.LINEAR):
    """A controller at the start of a move."""
    resting = alpha_controller.idle(1, 1, CPU)
    resting = resting._replace(value=torch.full((1, 1), start), target=torch.full((1, 1), start))
    return alpha_controller.retarget(
        resting,
        where=torch.ones(1, 1, dtype=torch.bool),
        target=torch.full((1, 1), target),
        duration=torch.full((1, 1), steps),
        curve=torch.full((1, 1), int(curve)),
    )


def normalised_logistic(progress: float, steepness: float) -> float:
    """The logistic curve around 0.5, stretched to meet 0 and 1, from its definition."""

    def logistic(t: float) -> float:
        return 1 / (1 + math.exp(-steepness * (t - 0.5)))

    return (logistic(progress) - logistic(0)) / (logistic(1) - logistic(0))


@pytest.mark.parametrize("curve", AlphaCurve)
@pytest.mark.parametrize(("progress", "expected"), [(0.0, 0.0), (0.5, 0.5), (1.0, 1.0)])
def test_every_curve_meets_start_middle_and_end(curve, progress, expected):
    """All five curves are symmetric and span 0 to 1."""
    assert value(curve, progress) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("curve", "expected"),
    [
        (AlphaCurve.LINEAR, 0.25),
        (AlphaCurve.COSINE, 0.5 * (1 - math.sqrt(0.5))),
        (AlphaCurve.SIGMOID_GENTLE, normalised_logistic(0.25, 6)),
        (AlphaCurve.SIGMOID, normalised_logistic(0.25, 12)),
        (AlphaCurve.SIGMOID_SHARP, normalised_logistic(0.25, 24)),
    ],
)
def test_curves_at_a_quarter(curve, expected):
    """The shapes differ where they should: a quarter of the way in."""
    assert value(curve, 0.25) == pytest.approx(expected, abs=1e-6)


def test_a_linear_move_takes_equal_steps_and_lands_exactly():
    """Five steps from 0 to 0.7 are 0.14 each; the last value is the target to the bit."""
    state, seen = move(0.0, 0.7, 5), []
    for _ in range(6):
        state = alpha_controller.tick(state, TABLES)
        seen.append(state.value.item())

    assert seen[:4] == pytest.approx([0.14, 0.28, 0.42, 0.56])
    assert seen[4] == seen[5] == torch.tensor(0.7).item()
    assert state.is_idle.item()


def test_a_move_of_no_steps_is_a_jump():
    """INSTANT reaches the target at once, and the controller is idle."""
    state = move(1.0, 0.5, 0)

    assert state.value.item() == 0.5
    assert state.is_idle.item()


@pytest.mark.parametrize(
    ("start", "target", "mode"),
    [(0.0, 1.0, AlphaMode.UP), (1.0, 0.5, AlphaMode.DOWN)],
)
def test_mode_is_the_direction_until_the_end(start, target, mode):
    """UP or DOWN while the move lasts, HOLD after it."""
    state = move(start, target, 3)
    modes = []
    for _ in range(3):
        modes.append(state.mode.item())
        state = alpha_controller.tick(state, TABLES)

    assert modes == [mode] * 3
    assert state.mode.item() == AlphaMode.HOLD


def test_retarget_leaves_others_alone():
    """Only controllers where `where` is True start a move."""
    resting = alpha_controller.idle(1, 2, CPU)
    ones = torch.ones(1, 2)
    counts = torch.full((1, 2), 3)
    state = alpha_controller.retarget(resting, torch.tensor([[True, False]]), ones, counts, counts)

    assert state.target.tolist() == [[1.0, 0.0]]
    assert state.is_idle.tolist() == [[False, True]]


def test_tables_are_the_documented_values():
    """Steps, targets and speeds are in the order of their enums."""
    assert TABLES.tempo_steps.tolist() == [3, 5, 8]
    assert TABLES.speed_steps.tolist() == [0, 3, 5, 8]
    assert TABLES.targets.tolist() == pytest.approx([0.5, 0.7, 1.0])
    assert len(TABLES.tempo_steps) == len(Tempo)
    assert len(TABLES.speed_steps) == len(AlphaSpeed)
    assert len(TABLES.targets) == len(AlphaTarget)
    assert len(TABLES.steepness) == len(AlphaCurve)
