"""Neither a rollout nor an update ever asks the device for a value; on CUDA that would wait.

Shown on the CPU in two ways: no operation is dispatched that hands values to the host, and everything
runs on tensors that have no values at all.
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
    """Runs the block on tensors without values; what they are asked for is refused."""
    try:
        with FakeTensorMode(allow_non_fake_inputs=True):
            yield
    except (DataDependentOutputException, DynamicOutputShapeException) as error:
        raise AssertionError(str(error)) from error


@pytest.fixture(params=["linted", "valueless"])
def proof(request, no_host_reads):
    """Either way, as a context in which a read is an AssertionError."""
    return no_host_reads if request.param == "linted" else valueless


@pytest.fixture
def learner():
    """What plays and what learns, small; two minibatches."""
    constants = action_layout(CPU)
    environment = MorphEnvironment(4, SHORT, seed=0, device=CPU)
    policy = Tamiyo(116, 16, seed=0)
    config = TrainingConfig(environments=4, hidden_size=16, minibatches=2)
    return (
        RolloutCollector(policy, environment, constants, seed=1),
        PPO(policy, constants, environment.action_masks().choices, config),
    )


@pytest.mark.slow
def test_a_rollout_reads_nothing(learner, proof):
    """All of an collected, with the environment's own training, and what is told of it."""
    collector, _ = learner

    with proof():
        episode_summary(collector.collect(lambda: None))


@pytest.mark.slow
def test_an_update_reads_nothing(learner, proof):
    """Neither for the target-KL stop, nor for the gate, nor for telemetry."""
    collector, ppo = learner
    collected = collector.collect(lambda: None)

    with proof():
        row = ppo.update(collected.transitions)

    assert row.dim() == 2


@pytest.mark.slow
def test_an_examination_reads_nothing(learner, proof):
    """What DEBUG telemetry needs beside the row: gradients of layers, of heads, and transitions."""
    collector, ppo = learner
    collected = collector.collect(lambda: None)

    with proof():
        examination = ppo.diagnose(collected.transitions)

    assert examination.cosines.shape == (9, 9)


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
def test_the_proofs_see_reads(read, proof):
    """Each of these would wait for the device."""
    policy = Tamiyo(4, 4, seed=0)

    with pytest.raises(AssertionError), torch.no_grad(), proof():
        read(policy)
