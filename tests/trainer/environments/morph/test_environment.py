"""The public behaviour of the environment."""

import pytest
import torch

from esper_schemas.heads import HEADS, AlphaTarget, Blueprint, Op, Stage, Style
from esper_trainer.environments.morph.environment import MorphEnvironment
from esper_trainer.environments.morph.presets import PRESETS
from esper_trainer.environments.morph.rewards import ACCURACY, INVALID
from esper_trainer.environments.morph.scripted_baselines import random
from esper_trainer.environments.morph.seeds.lifecycle import EMBARGO_STEPS

CPU = torch.device("cpu")
STEPS = 12


def roll_out(environment, steps=STEPS, seed=7):
    """Rewards and observations of a random policy with its own seed."""
    generator = torch.Generator(environment.device).manual_seed(seed)
    rewards, seen = [], []
    for _ in range(steps):
        seen.append(environment.observe())
        rewards.append(environment.step(random(environment, generator)).reward)
    return torch.stack(rewards), torch.stack(seen)


def test_equal_seeds_give_equal_bits(make_environment):
    """Two environments with one seed return bit-identical rewards and observations, across a reset too."""
    first, again = make_environment(seed=3), make_environment(seed=3)

    for _ in range(2):
        for ours, theirs in zip(roll_out(first), roll_out(again), strict=True):
            assert torch.equal(ours, theirs)
        first.reset()
        again.reset()


def test_other_seeds_give_other_hosts(make_environment):
    """Another seed gives other rewards, and so does a reset."""
    first, other = make_environment(seed=3), make_environment(seed=4)
    rewards, _ = roll_out(first)
    first.reset()

    assert not torch.equal(rewards, roll_out(other)[0])
    assert not torch.equal(rewards, roll_out(first)[0])


def test_the_global_generator_does_not_matter(make_environment):
    """Neither its state nor its use elsewhere changes an episode."""
    torch.manual_seed(1)
    rewards, _ = roll_out(make_environment())
    torch.manual_seed(2)

    assert torch.equal(rewards, roll_out(make_environment())[0])


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_works(preset, make_environment, action):
    """After a few steps of growth rewards are finite, accuracies in 0..1, and all steps valid."""
    environment = make_environment(preset=preset)
    environment.step(action(Op.GERMINATE, blueprint=Blueprint.MLP))
    for _ in range(3):
        step = environment.step(action(Op.ADVANCE))

    assert torch.isfinite(step.reward).all()
    assert step.valid.all()
    assert ((environment.accuracy >= 0) & (environment.accuracy <= 1)).all()
    assert (environment.stage[0] == Stage.BLENDING).all()


@pytest.mark.slow
@pytest.mark.parametrize(
    "choice",
    [
        {"op": Op.FOSSILIZE},
        {"op": Op.ADVANCE, "slot": 2},
        {"op": Op.PRUNE, "slot": 1},
        {"op": Op.SET_ALPHA_TARGET},
        {"op": Op.GERMINATE, "blueprint": Blueprint.NOOP},
    ],
)
def test_illegal_choices_act_as_wait(choice, make_environment, action):
    """A host that only ever gets illegal choices equals one that waits, bit for bit."""
    waiting, refused = make_environment(), make_environment()
    for _ in range(STEPS):
        wait = waiting.step(action(Op.WAIT))
        illegal = refused.step(action(**choice))

        assert torch.equal(waiting.accuracy, refused.accuracy)
        torch.testing.assert_close(illegal.reward, wait.reward - INVALID, atol=1e-6, rtol=0)
        assert (illegal.stage_changes.op == Op.WAIT).all()
        assert not illegal.stage_changes.legal.any()
    assert (refused.stage == Stage.DORMANT).all()
    assert torch.equal(waiting.observe()[:, 1:16], refused.observe()[:, 1:16])


def test_a_seed_in_training_does_not_change_the_host(make_environment, action):
    """Accuracy stays that of the waiting twin until blending begins, and not after."""
    waiting, growing = make_environment(), make_environment()
    actions = [action(Op.GERMINATE, blueprint=Blueprint.MLP, alpha_target=AlphaTarget.FULL)]
    actions += [action(Op.ADVANCE)] + [action(Op.WAIT)] * 10
    for choice in actions:
        waiting.step(action(Op.WAIT))
        growing.step(choice)

        assert torch.equal(waiting.observe()[:, :13], growing.observe()[:, :13])
    waiting.step(action(Op.WAIT))
    growing.step(action(Op.ADVANCE))

    assert not torch.equal(waiting.observe()[:, 1], growing.observe()[:, 1])


def test_stage_changes_describe_every_step(make_environment, action):
    """Each step reports stages before and after, blueprint and alpha of every slot."""
    environment = make_environment()
    grow = action(Op.GERMINATE, slot=2, blueprint=Blueprint.LORA, alpha_target=AlphaTarget.FULL)
    steps = [environment.step(grow)]
    steps += [environment.step(action(Op.ADVANCE, slot=2)) for _ in range(2)]
    steps += [environment.step(action(Op.WAIT)) for _ in range(2)]
    steps += [environment.step(action(Op.PRUNE, slot=2)) for _ in range(1)]
    changes = [step.stage_changes for step in steps]

    assert [int(s.previous_stage[2, 0]) for s in changes] == [0, 1, 2, 3, 3, 3]
    assert [int(s.stage[2, 0]) for s in changes] == [1, 2, 3, 3, 3, Stage.EMBARGOED]
    assert [int(s.blueprint[2, 0]) for s in changes] == [Blueprint.LORA] * 6
    assert [s.alpha[2, 0].item() for s in changes] == pytest.approx([0, 0, 1 / 3, 2 / 3, 1, 0])
    assert [bool(s.measured[2, 0]) for s in changes] == [False, False, True, True, True, False]
    assert [int(s.op[0]) for s in changes] == [1, 5, 5, 0, 0, 3]
    assert [int(s.slot[0]) for s in changes] == [2, 2, 2, 0, 0, 2]
    assert all(s.legal.all() for s in changes)
    assert (changes[-1].contribution == 0).all()


def test_the_step_that_frees_a_slot_reports_its_blueprint(make_environment, action):
    """The slot itself is already empty."""
    environment = make_environment()
    environment.step(action(Op.GERMINATE, blueprint=Blueprint.LORA))
    for _ in range(4):
        environment.step(action(Op.WAIT))
    environment.step(action(Op.PRUNE))
    for _ in range(EMBARGO_STEPS):
        changes = environment.step(action(Op.WAIT)).stage_changes

    assert (changes.previous_stage[0] == Stage.EMBARGOED).all()
    assert (changes.stage[0] == Stage.DORMANT).all()
    assert (changes.blueprint[0] == Blueprint.LORA).all()
    assert (environment.blueprint[0] == Blueprint.NOOP).all()


def test_results_are_not_overwritten(make_environment, action):
    """The result of a step stays unchanged while the environment is stepped and reset."""
    environment = make_environment()
    environment.step(action(Op.GERMINATE, blueprint=Blueprint.MLP))
    step = environment.step(action(Op.ADVANCE))
    copies = [tensor.clone() for tensor in (step.reward, step.valid, *step.stage_changes)]
    roll_out(environment)
    environment.reset()

    for kept, copy in zip((step.reward, step.valid, *step.stage_changes), copies, strict=True):
        assert torch.equal(kept, copy)


def test_rewards_sum_to_the_accuracy_gained(make_environment, action):
    """This holds for steps of WAIT, in the unit of the reward."""
    environment = make_environment()
    start = environment.accuracy
    total = sum(environment.step(action(Op.WAIT)).reward for _ in range(STEPS))

    torch.testing.assert_close(total, ACCURACY * (environment.accuracy - start))


def test_shaping_is_paid_back_at_the_horizon(make_environment, action):
    """The last step subtracts the potential of the stages."""
    environment = make_environment()
    environment.step(action(Op.GERMINATE, blueprint=Blueprint.NORM))
    for _ in range(environment.preset.horizon - 2):
        before = environment.step(action(Op.WAIT)).reward
    accuracy = environment.accuracy
    last = environment.step(action(Op.WAIT)).reward - ACCURACY * (environment.accuracy - accuracy)

    assert (last < -0.04).all()
    assert torch.isfinite(before).all()


def test_a_reset_ends_a_suspension(make_environment, action):
    """The suspended environment has a new host and valid steps again."""
    environment = make_environment()
    environment.population.weights.readout[1] = torch.nan
    environment.step(action(Op.WAIT))
    offered = environment.action_masks().op[:, 1].tolist()
    environment.reset()
    step = environment.step(action(Op.WAIT))

    assert offered == [True] + [False] * 5
    assert step.valid.all()
    assert torch.isfinite(step.reward).all()
    assert (environment.observe()[:, 0] == 1 / 64).all()
    assert not environment.rollbacks.any()


@pytest.mark.slow
@pytest.mark.parametrize("style", Style)
def test_a_host_with_noop_seeds_equals_one_that_waits(style, make_environment, action):
    """They are bit-identical through all stages, in every slot and style."""
    waiting, growing = make_environment(), make_environment()
    growing._choices = torch.ones_like(growing._choices)  # NOOP is not offered otherwise
    for slot in range(3):
        chosen = {"slot": slot, "blueprint": Blueprint.NOOP, "style": style}
        actions = [action(Op.GERMINATE, **chosen), *[action(Op.ADVANCE, slot=slot)] * 2]
        actions += [action(Op.WAIT)] * 3 + [action(Op.ADVANCE, slot=slot), action(Op.FOSSILIZE, slot=slot)]
        for choice in actions:
            waiting.step(action(Op.WAIT))
            step = growing.step(choice)

            assert step.stage_changes.legal.all()
            assert torch.equal(waiting.observe()[:, :13], growing.observe()[:, :13])
            assert (step.stage_changes.contribution == 0).all()
    assert (growing.stage == Stage.FOSSILIZED).all()


def test_nothing_is_read_on_the_host(make_environment, no_host_reads):
    """reset, observe, action_masks and step never read the values of a tensor."""
    environment = make_environment()
    generator = torch.Generator().manual_seed(0)
    actions = torch.randint(3, (STEPS, len(HEADS), 4), generator=generator)
    with no_host_reads():
        environment.reset()
        for action in actions:
            environment.observe()
            environment.action_masks()
            environment.step(action)

    assert torch.isfinite(environment.observe()).all()


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_is_deterministic_and_never_waits(no_waiting):
    """On a GPU equal seeds give equal bits, and no call synchronises."""
    device = torch.device("cuda")
    pair = [MorphEnvironment(4, PRESETS["lite"], seed=1, device=device) for _ in range(2)]
    action = torch.zeros(len(HEADS), 4, dtype=torch.int64, device=device)
    runs = []
    with no_waiting():
        for environment in pair:
            environment.reset()
            runs.append([environment.step(action).reward for _ in range(STEPS)])
            environment.observe()
            environment.action_masks()

    assert torch.equal(torch.stack(runs[0]), torch.stack(runs[1]))
