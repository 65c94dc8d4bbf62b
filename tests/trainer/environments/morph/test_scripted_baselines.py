"""Scripted policies: deliberate growth gains return, random growth does not."""

import pytest
import torch

from esper_schemas.heads import HEAD_SIZES, HEADS, Blueprint, Stage
from esper_trainer.environments.morph.presets import PRESETS
from esper_trainer.environments.morph.scripted_baselines import (
    BASELINES,
    TRAINING_STEPS,
    grow_mlp,
    random,
    run_baseline,
)

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def results():
    """One full episode of 64 environments per scripted policy, with a fixed seed."""
    return {name: run_baseline(name, 64, PRESETS["lite"], 0, CPU) for name in BASELINES}


@pytest.mark.slow
def test_growing_beats_waiting(results):
    """A scripted grower ends more accurate and with more return than a host left alone."""
    wait, grow = results["wait"], results["grow_mlp"]

    assert grow.mean_accuracy > wait.mean_accuracy + 0.04
    assert grow.mean_return > wait.mean_return + 0.8


@pytest.mark.slow
def test_random_growth_does_not_beat_waiting(results):
    """Rent, penalties and bad blends cost more than random growth gains."""
    assert results["random"].mean_return < results["wait"].mean_return + 0.1


@pytest.mark.slow
def test_baselines_are_reproducible(results):
    """The same arguments give the same numbers."""
    assert run_baseline("random", 64, PRESETS["lite"], 0, CPU) == results["random"]


@pytest.mark.slow
def test_more_episodes_are_averaged():
    """Two episodes are not one episode twice."""
    one = run_baseline("wait", 16, PRESETS["lite"], 0, CPU)
    two = run_baseline("wait", 16, PRESETS["lite"], 0, CPU, episodes=2)

    assert one.mean_return != two.mean_return
    assert two.name == "wait"


def test_grow_mlp_trains_blends_and_fossilises_every_slot(make_environment):
    """All three seeds are fossilised, and none untrained."""
    environment = make_environment()
    generator = torch.Generator()
    training = torch.zeros_like(environment.stage)
    for _ in range(40):
        step = environment.step(grow_mlp(environment, generator))
        training += environment.stage == Stage.TRAINING

        assert step.stage_changes.legal.all()
    assert (environment.stage == Stage.FOSSILIZED).all()
    assert (environment.blueprint == Blueprint.MLP).all()
    assert (training >= TRAINING_STEPS).all()


def test_random_only_makes_legal_choices(make_environment):
    """It draws from the masks, and over time from every op."""
    environment = make_environment(environments=32)
    generator = torch.Generator().manual_seed(0)
    seen = torch.zeros(HEAD_SIZES["op"])
    for _ in range(30):
        action = random(environment, generator)
        step = environment.step(action)
        seen += action[HEADS.index("op")].bincount(minlength=HEAD_SIZES["op"])

        assert step.stage_changes.legal.all()
    assert (seen > 0).all()
