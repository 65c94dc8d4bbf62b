"""A host whose loss explodes or is not finite is rolled back without affecting the others."""

import pytest
import torch

from esper_schemas.heads import AlphaTarget, Blueprint, Op, Stage
from esper_trainer.environments.morph import episode_state
from esper_trainer.environments.morph.episode_state import EXPLOSION_LOSS, MAX_CONSECUTIVE_EXPLOSIONS
from esper_trainer.environments.morph.host_rollback import SAVE_INTERVAL
from esper_trainer.environments.morph.networks.host_population import WORST_LOSS, HostEvaluation
from esper_trainer.environments.morph.rewards import ROLLBACK
from esper_trainer.environments.morph.seeds.lifecycle import EMBARGO_STEPS

GROW = {"blueprint": Blueprint.MLP, "alpha_target": AlphaTarget.FULL}
SICK, OTHERS = 1, [0, 2, 3]


def alive_after(*losses):
    """Whether a host is alive after each of its validation losses; the first one is that of the initial
    host."""
    measured = [HostEvaluation(torch.tensor([loss]), torch.ones(1), torch.zeros(3, 1)) for loss in losses]
    state, well = episode_state.begin(measured[0]), []
    slots = _empty()
    for evaluation in measured[1:]:
        state = episode_state.advance(state, evaluation, state.op, state.legal, (slots, slots))
        well.append(bool(state.alive))
    return well


def _empty():
    from esper_trainer.environments.morph.seeds import lifecycle

    return lifecycle.empty(1, torch.device("cpu"))


def test_consecutive_explosions_suspend_a_host():
    """One fewer in a row does not."""
    explodes = [EXPLOSION_LOSS + 1] * MAX_CONSECUTIVE_EXPLOSIONS

    assert alive_after(2.0, *explodes) == [True] * (MAX_CONSECUTIVE_EXPLOSIONS - 1) + [False]
    assert all(alive_after(2.0, *explodes[1:], 2.0, *explodes[1:], 2.0))


def test_a_loss_that_is_not_finite_suspends_a_host_at_once():
    """An evaluation reports it as the worst loss."""
    assert alive_after(2.0, WORST_LOSS) == [False]


def test_a_constantly_high_loss_is_not_an_explosion():
    """An exploding loss is far above the baseline loss, which excludes exploding losses."""
    assert all(alive_after(5.0, *[EXPLOSION_LOSS + 1] * 5))
    assert alive_after(3.9, *[EXPLOSION_LOSS + 1] * 5)[MAX_CONSECUTIVE_EXPLOSIONS - 1 :] == [False] * 3


def grown(make_environment, action):
    """An environment with a fossil in slot 0 and a held seed in slot 1, in all hosts."""
    environment = make_environment()
    for slot in (0, 1):
        environment.step(action(Op.GERMINATE, slot=slot, **GROW))
        for _ in range(2):
            environment.step(action(Op.ADVANCE, slot=slot))
        for _ in range(SAVE_INTERVAL):
            environment.step(action(Op.WAIT))
        environment.step(action(Op.ADVANCE, slot=slot))
        if slot == 0:
            environment.step(action(Op.FOSSILIZE))
    for _ in range(SAVE_INTERVAL):
        environment.step(action(Op.WAIT))
    return environment


@pytest.fixture
def wait(action):
    """WAIT in every environment."""
    return action(Op.WAIT)


def test_a_host_is_suspended_and_then_restored(make_environment, action, wait):
    """It is penalised once, loses a step, keeps its fossil, and its other seeds are embargoed."""
    environment = grown(make_environment, action)
    before = environment.accuracy[SICK].item()
    environment.population.weights.readout[SICK] = torch.nan
    first, second = environment.step(wait), environment.step(wait)
    revived = environment.accuracy[SICK].item()
    third = environment.step(wait)
    stages = [step.stage_changes.stage[:, SICK].tolist() for step in (first, second)]

    assert [step.valid[SICK].item() for step in (first, second, third)] == [True, False, True]
    assert [step.reward[SICK].item() for step in (first, second)] == [-ROLLBACK, 0]
    assert stages == [[Stage.FOSSILIZED, Stage.HOLDING, 0], [Stage.FOSSILIZED, Stage.EMBARGOED, 0]]
    assert environment.rollbacks.tolist() == [0, 1, 0, 0]
    assert revived == pytest.approx(before, abs=0.2)
    assert environment.accuracy[SICK] == pytest.approx(before, abs=0.2)
    assert environment.alpha[:, SICK].tolist() == [1, 0, 0]
    assert torch.isfinite(third.reward).all()


def test_the_rollback_itself_is_not_rewarded(make_environment, action, wait):
    """The first step after a rollback is rewarded relative to the saved accuracy."""
    environment = make_environment()
    for _ in range(3 * SAVE_INTERVAL):
        environment.step(wait)
    environment.population.weights.readout[SICK] = torch.nan
    for _ in range(2):
        environment.step(wait)
    restore_point = environment.accuracy[SICK].clone()
    step = environment.step(wait)

    assert restore_point > 0.3
    torch.testing.assert_close(step.reward[SICK], 3.0 * (environment.accuracy[SICK] - restore_point))


def test_the_embargo_ends_and_the_slot_is_free_again(make_environment, action, wait):
    """A restored host can grow again."""
    environment = grown(make_environment, action)
    environment.population.weights.readout[SICK] = torch.nan
    for _ in range(2 + EMBARGO_STEPS):
        environment.step(wait)

    assert environment.stage[1, SICK] == Stage.DORMANT
    assert environment.action_masks().slot_by_op[Op.GERMINATE, 1, SICK]


def test_hosts_are_restored_one_after_the_other(make_environment, wait):
    """Two hosts that are suspended in the same step are restored in successive steps."""
    environment = make_environment()
    environment.step(wait)
    environment.population.weights.readout[[SICK, 3]] = torch.nan
    valid = torch.stack([environment.step(wait).valid for _ in range(4)])

    assert valid[:, SICK].tolist() == [True, False, True, True]
    assert valid[:, 3].tolist() == [True, False, False, True]
    assert environment.rollbacks.tolist() == [0, 1, 0, 1]


@pytest.mark.slow
def test_other_hosts_are_not_affected(make_environment, action, wait):
    """Their rewards and observations are bit-identical to those of an environment without a failure."""
    environment, twin = (grown(make_environment, action) for _ in range(2))
    environment.population.weights.readout[SICK] = torch.nan
    for _ in range(2 * SAVE_INTERVAL):
        ours, theirs = environment.step(wait), twin.step(wait)

        assert torch.equal(ours.reward[OTHERS], theirs.reward[OTHERS])
        assert torch.equal(environment.observe()[OTHERS], twin.observe()[OTHERS])
    assert torch.isfinite(environment.observe()).all()


@pytest.mark.slow
@pytest.mark.parametrize("phase", range(SAVE_INTERVAL))
def test_an_exploding_host_is_never_saved(phase, make_environment, wait):
    """At every phase of the schedule it is restored to a state before its first explosion."""
    environment = make_environment()
    for _ in range(SAVE_INTERVAL + phase):
        environment.step(wait)
    environment.population.weights.readout[SICK] *= 100
    before = environment.population.saved_weights.readout[SICK].clone()
    explosions = []
    while environment.step(wait).valid[SICK]:
        explosions.append(int(environment._episode.explosions[SICK]))
        assert torch.equal(environment.population.saved_weights.readout[SICK], before)

    assert explosions == list(range(1, MAX_CONSECUTIVE_EXPLOSIONS + 1))
    assert environment.rollbacks[SICK] == 1
    assert environment.population.weights.readout[SICK].abs().max() < 30
    assert environment._episode.explosions[SICK] == 0
