"""Neither a rollout nor an update reads a value on the host, which would wait for the device on CUDA.

Two checks show this on the CPU: no operation that copies values to the host is dispatched, and everything
runs on fake tensors, which have no values.
"""

from contextlib import contextmanager

import pytest
import torch
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensorMode,
)

from esper_trainer.config import TrainingConfig
from esper_trainer.environments.morph.environment import MorphEnvironment
from esper_trainer.environments.morph.presets import Preset
from esper_trainer.learner.ppo_update import PPO
from esper_trainer.model.action_layout import action_layout
from esper_trainer.model.policy import Tamiyo
from esper_trainer.ppo.rollout_collector import RolloutCollector
from esper_trainer.telemetry.episode_summary import episode_summary

CPU = torch.device("cpu")
SHORT = Preset("short", sgd_steps=1, batch_size=4, validation_size=8, horizon=6)


@contextmanager
def valueless():
    """Runs the block on fake tensors; reading a value is an AssertionError."""
    try:
        with FakeTensorMode(allow_non_fake_inputs=True):
            yield
    except (DataDependentOutputException, DynamicOutputShapeException) as error:
        raise AssertionError(str(error)) from error


@pytest.fixture(params=["linted", "valueless"])
def check(request, no_host_reads):
    """A context in which a read is an AssertionError, by either check."""
    return no_host_reads if request.param == "linted" else valueless


@pytest.fixture
def learner():
    """A small collector and a PPO with two minibatches."""
    constants = action_layout(CPU)
    environment = MorphEnvironment(4, SHORT, seed=0, device=CPU)
    policy = Tamiyo(116, 16, seed=0)
    config = TrainingConfig(environments=4, hidden_size=16, minibatches=2)
    return (
        RolloutCollector(policy, environment, constants, seed=1),
        PPO(policy, constants, environment.action_masks().choices, config),
    )


@pytest.mark.slow
def test_a_rollout_reads_nothing(learner, check):
    """This covers the environment's own training and the episode summary."""
    collector, _ = learner

    with check():
        episode_summary(collector.collect(lambda: None))


@pytest.mark.slow
def test_an_update_reads_nothing(learner, check):
    """This covers the stop at the target KL, the skipping of steps, and telemetry."""
    collector, ppo = learner
    collected = collector.collect(lambda: None)

    with check():
        packed = ppo.update(collected.transitions, environment_rewards=collector.environment_rewards)
        ppo.measure_final(collected.transitions)

    assert packed.dim() == 1


@pytest.mark.slow
def test_a_diagnosis_reads_nothing(learner, check):
    """DEBUG telemetry also needs gradients of layers and of heads, and transitions."""
    collector, ppo = learner
    collected = collector.collect(lambda: None)

    with check():
        diagnostics = ppo.diagnose(collected.transitions)

    assert diagnostics.cosines.shape == (9, 9)


@pytest.mark.parametrize(
    "read",
    [
        lambda policy: policy.output.weight.sum().item(),
        lambda policy: bool(policy.output.weight.sum() > 0),
        lambda policy: policy.output.weight[policy.output.weight > 0],
        lambda policy: (policy.output.weight > 0).nonzero(),
    ],
    ids=["item", "if", "mask", "nonzero"],
)
def test_the_checks_find_reads(read, check):
    """Each of these would wait for the device."""
    policy = Tamiyo(4, 4, seed=0)

    with pytest.raises(AssertionError), torch.no_grad(), check():
        read(policy)
