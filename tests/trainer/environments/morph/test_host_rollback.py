"""A host whose loss explodes, or is no number, is rolled back; the others never notice."""

import pytest
import torch

from esper_schemas.heads import AlphaTarget, Blueprint, Op, Stage
from esper_trainer.environments.morph import episode_state
from esper_trainer.environments.morph.episode_state import FATAL_PANICS, PANIC_LOSS
from esper_trainer.environments.morph.host_rollback import SAVED_EVERY
from esper_trainer.environments.morph.networks.host_population import WORST_LOSS, Evaluation
from esper_trainer.environments.morph.rewards import ROLLBACK
from esper_trainer.environments.morph.seeds.lifecycle import EMBARGO_STEPS

GROW = {"blueprint": Blueprint.MLP, "alpha_target": AlphaTarget.FULL}
SICK, OTHERS = 1, [0, 2, 3]


def judged(*losses):
    """Whether a host is well after each of its validation losses; the first one is that of its birth."""
    measured = [Evaluation(torch.tensor([loss]), torch.ones(1), torch.zeros(3, 1)) for loss in losses]
    state, well = episode_state.begin(measured[0]), []
    slots = _empty()
    for evaluation in measured[1:]:
        state = episode_state.advance(state, evaluation, state.op, state.legal, (slots, slots))
        well.append(bool(state.alive))
    return well


def _empty():
    from esper_trainer.environments.morph.seeds import lifecycle

    return lifecycle.empty(1, torch.device("cpu"))


def test_panics_in_a_row_are_fatal():
    """A loss that explodes and stays there; two panics are survived."""
    explodes = [PANIC_LOSS + 1] * FATAL_PANICS

    assert judged(2.0, *explodes) == [True] * (FATAL_PANICS - 1) + [False]
    assert all(judged(2.0, *explodes[1:], 2.0, *explodes[1:], 2.0))


def test_a_loss_that_is_no_number_is_fatal_at_once():
    """Which an evaluation says by the worst loss there is."""
    assert judged(2.0, WORST_LOSS) == [False]


def test_a_loss_that_has_always_been_high_is_no_panic():
    """What explodes is far above the usual loss; panics do not become usual."""
    assert all(judged(5.0, *[PANIC_LOSS + 1] * 5))
    assert judged(3.9, *[PANIC_LOSS + 1] * 5)[FATAL_PANICS - 1 :] == [False] * 3


def grown(make_environment, action):
    """An environment with a fossil in slot 0 and a seed that holds in slot 1, in all hosts."""
    environment = make_environment()
    for slot in (0, 1):
        environment.step(action(Op.GERMINATE, slot=slot, **GROW))
        for _ in range(2):
            environment.step(action(Op.ADVANCE, slot=slot))
        for _ in range(SAVED_EVERY):
            environment.step(action(Op.WAIT))
        environment.step(action(Op.ADVANCE, slot=slot))
        if slot == 0:
            environment.step(action(Op.FOSSILIZE))
    for _ in range(SAVED_EVERY):
        environment.step(action(Op.WAIT))
    return environment


@pytest.fixture
def wait(action):
    """The action that does nothing."""
    return action(Op.WAIT)


def test_a_host_is_suspended_and_then_goes_on_from_what_was_saved(make_environment, action, wait):
    """It pays once, loses a step, keeps its fossil, and its seeds go into embargo."""
    environment = grown(make_environment, action)
    before = environment.accuracy[SICK].item()
    environment._population._weights.readout[SICK] = torch.nan
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


def test_the_way_back_is_not_paid(make_environment, action, wait):
    """The first step after a rollback is rewarded against the accuracy that was saved."""
    environment = make_environment()
    for _ in range(3 * SAVED_EVERY):
        environment.step(wait)
    environment._population._weights.readout[SICK] = torch.nan
    for _ in range(2):
        environment.step(wait)
    saved = environment.accuracy[SICK].clone()
    step = environment.step(wait)

    assert saved > 0.3
    torch.testing.assert_close(step.reward[SICK], 3.0 * (environment.accuracy[SICK] - saved))


def test_the_embargo_ends_and_the_slot_is_free_again(make_environment, action, wait):
    """A rolled back host can grow anew."""
    environment = grown(make_environment, action)
    environment._population._weights.readout[SICK] = torch.nan
    for _ in range(2 + EMBARGO_STEPS):
        environment.step(wait)

    assert environment.stage[1, SICK] == Stage.DORMANT
    assert environment.legality().slot_by_op[Op.GERMINATE, 1, SICK]


def test_hosts_are_restored_one_after_the_other(make_environment, wait):
    """Two that fall in the same step wait their turn, and both come back."""
    environment = make_environment()
    environment.step(wait)
    environment._population._weights.readout[[SICK, 3]] = torch.nan
    valid = torch.stack([environment.step(wait).valid for _ in range(4)])

    assert valid[:, SICK].tolist() == [True, False, True, True]
    assert valid[:, 3].tolist() == [True, False, False, True]
    assert environment.rollbacks.tolist() == [0, 1, 0, 1]


def test_the_others_never_notice(make_environment, action, wait):
    """Their rewards and observations are those of a twin in which nothing happened, bit for bit."""
    environment, twin = (grown(make_environment, action) for _ in range(2))
    environment._population._weights.readout[SICK] = torch.nan
    for _ in range(2 * SAVED_EVERY):
        ours, theirs = environment.step(wait), twin.step(wait)

        assert torch.equal(ours.reward[OTHERS], theirs.reward[OTHERS])
        assert torch.equal(environment.observe()[OTHERS], twin.observe()[OTHERS])
    assert torch.isfinite(environment.observe()).all()


@pytest.mark.parametrize("phase", range(SAVED_EVERY))
def test_a_panicking_host_is_never_saved(phase, make_environment, wait):
    """Whenever its turn comes: what it gets back is from before its first panic; its panics are forgotten."""
    environment = make_environment()
    for _ in range(SAVED_EVERY + phase):
        environment.step(wait)
    environment._population._weights.readout[SICK] *= 100
    before = environment._population._saved.readout[SICK].clone()
    panics = []
    while environment.step(wait).valid[SICK]:
        panics.append(int(environment._episode.panics[SICK]))
        assert torch.equal(environment._population._saved.readout[SICK], before)

    assert panics == list(range(1, FATAL_PANICS + 1))
    assert environment.rollbacks[SICK] == 1
    assert environment._population._weights.readout[SICK].abs().max() < 30
    assert environment._episode.panics[SICK] == 0
