"""The recent history of an episode, step by step."""

import pytest
import torch

from esper_schemas.heads import Op, Stage
from esper_trainer.environments.morph.episode_state import (
    ABSENT,
    AVERAGE_WEIGHT,
    BASELINE_WEIGHT,
    EXPLOSION_LOSS,
    MAX_CONSECUTIVE_EXPLOSIONS,
    advance,
    begin,
)
from esper_trainer.environments.morph.networks.host_population import WORST_LOSS, HostEvaluation
from esper_trainer.environments.morph.observation_table import HISTORY
from esper_trainer.environments.morph.seeds import lifecycle

CPU = torch.device("cpu")
EMPTY = lifecycle.empty(1, CPU)


def evaluation_of(loss=1.0, accuracy=0.5, contribution=0.0):
    """An evaluation of one host with equal contributions in all slots."""
    return HostEvaluation(
        torch.tensor([loss]), torch.tensor([accuracy]), torch.full((3, 1), float(contribution))
    )


def advanced(state, evaluation, *, op=Op.WAIT, legal=True, slots=(EMPTY, EMPTY)):
    """The state one step later."""
    return advance(state, evaluation, torch.tensor([int(op)]), torch.tensor([legal]), slots)


def blending(alpha):
    """Slots in which seed 0 has this blend weight."""
    stage, value = EMPTY.stage.clone(), EMPTY.alpha.value.clone()
    stage[0], value[0] = int(Stage.BLENDING), alpha
    return EMPTY._replace(stage=stage, alpha=EMPTY.alpha._replace(value=value))


def test_a_new_episode_has_one_measurement():
    """Older entries of the histories are absent."""
    state = begin(evaluation_of(loss=2.0, accuracy=0.25))

    assert state.losses[:, 0].tolist() == [ABSENT] * (HISTORY - 1) + [2.0]
    assert state.accuracies[:, 0].tolist() == [ABSENT] * (HISTORY - 1) + [0.25]
    assert (state.time.item(), state.alive.item(), state.rollbacks.item()) == (0, True, 0)
    assert state.baseline_loss.item() == 2.0


def test_histories_hold_the_newest_measurements():
    """The oldest one is dropped."""
    state = begin(evaluation_of(loss=0.0))
    for loss in range(1, HISTORY + 2):
        state = advanced(state, evaluation_of(loss=float(loss)))

    assert state.losses[:, 0].tolist() == [float(loss) for loss in range(2, HISTORY + 2)]
    assert state.time.item() == HISTORY + 1


def test_contributions_are_averaged_while_there_is_a_seed():
    """In an empty slot the average is 0; the change is relative to the previous step."""
    seed = blending(0.5)
    state = advanced(begin(evaluation_of()), evaluation_of(contribution=0.5), slots=(EMPTY, seed))
    again = advanced(state, evaluation_of(contribution=0.25), slots=(seed, seed))

    assert state.average_contribution[:, 0].tolist() == pytest.approx([AVERAGE_WEIGHT * 0.5, 0.0, 0.0])
    assert state.contribution_change[0].item() == 0.5
    assert again.contribution_change[0].item() == -0.25
    expected = (1 - AVERAGE_WEIGHT) * AVERAGE_WEIGHT * 0.5 + AVERAGE_WEIGHT * 0.25
    assert again.average_contribution[0].item() == pytest.approx(expected)
    assert state.alpha_change[:, 0].tolist() == [0.5, 0.0, 0.0]
    assert again.alpha_change[0].item() == 0.0


def test_the_last_op_and_its_legality_are_kept():
    """They are part of the state."""
    state = advanced(begin(evaluation_of()), evaluation_of(), op=Op.PRUNE, legal=False)

    assert (state.op.item(), state.legal.item()) == (int(Op.PRUNE), False)


def test_the_baseline_follows_losses_but_not_explosions():
    """An exploding loss is counted instead; a normal one resets the count."""
    state = advanced(begin(evaluation_of(loss=1.0)), evaluation_of(loss=2.0))
    exploded = advanced(state, evaluation_of(loss=EXPLOSION_LOSS + 1))
    calm = advanced(exploded, evaluation_of(loss=2.0))

    assert state.baseline_loss.item() == pytest.approx(1.0 + BASELINE_WEIGHT)
    assert (exploded.explosions.item(), exploded.alive.item()) == (1, True)
    assert exploded.baseline_loss.item() == state.baseline_loss.item()
    assert calm.explosions.item() == 0


def test_a_host_is_suspended_after_consecutive_explosions_or_the_worst_loss():
    """It stays suspended after a normal loss."""
    state = begin(evaluation_of(loss=1.0))
    for _ in range(MAX_CONSECUTIVE_EXPLOSIONS):
        assert state.alive.item()
        state = advanced(state, evaluation_of(loss=EXPLOSION_LOSS + 1))

    assert not state.alive.item()
    assert not advanced(state, evaluation_of(loss=1.0)).alive.item()
    assert not advanced(begin(evaluation_of()), evaluation_of(loss=WORST_LOSS)).alive.item()
