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
from torch.utils._python_dispatch import TorchDispatchMode

from esper_trainer.config import TrainingConfig
from esper_trainer.environment.morph import MorphEnvironment
from esper_trainer.environment.presets import Preset
from esper_trainer.layout import layout
from esper_trainer.policy import Tamiyo
from esper_trainer.ppo import PPO
from esper_trainer.rollout import Player
from esper_trainer.story import story

CPU = torch.device("cpu")
SHORT = Preset("short", sgd_steps=1, batch_size=4, validation_size=8, horizon=6)
READS = ("_local_scalar_dense", "nonzero", "masked_select", "unique", "equal", "is_nonzero")


class HostReadError(AssertionError):
    """An operation would have waited for the device."""


class _Lint(TorchDispatchMode):
    """Refuses operations whose result, or its shape, the host has to know."""

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        name = function._schema.name.removeprefix("aten::")
        if name in READS or (name.startswith(("index", "index_put")) and self.by_mask(arguments)):
            raise HostReadError(name)
        return function(*arguments, **(keywords or {}))

    def by_mask(self, arguments):
        """Whether an index is a mask, whose result has as many rows as it has ones."""
        indices = arguments[1] if isinstance(arguments[1], list | tuple) else []
        return any(index is not None and index.dtype == torch.bool for index in indices)


@contextmanager
def linted():
    """Runs the block under the lint."""
    with _Lint():
        yield


@contextmanager
def valueless():
    """Runs the block on tensors without values; what they are asked for is refused."""
    try:
        with FakeTensorMode(allow_non_fake_inputs=True):
            yield
    except (DataDependentOutputException, DynamicOutputShapeException) as error:
        raise HostReadError(str(error)) from error


@pytest.fixture(params=[linted, valueless])
def no_host_reads(request):
    """Both proofs."""
    return request.param


@pytest.fixture
def learner():
    """What plays and what learns, small; two minibatches."""
    constants = layout(CPU)
    environment = MorphEnvironment(4, SHORT, seed=0, device=CPU)
    policy = Tamiyo(116, 16, seed=0)
    config = TrainingConfig(environments=4, hidden_size=16, minibatches=2)
    return (
        Player(policy, environment, constants, seed=1),
        PPO(policy, constants, environment.legality().choices, config),
    )


def test_a_rollout_reads_nothing(learner, no_host_reads):
    """All of an episode, with the environment's own training, and what is told of it."""
    player, _ = learner

    with no_host_reads():
        story(player.play(lambda: None))


def test_an_update_reads_nothing(learner, no_host_reads):
    """Neither for the target-KL stop, nor for the gate, nor for telemetry."""
    player, ppo = learner
    episode = player.play(lambda: None)

    with no_host_reads():
        row = ppo.update(episode.rollout)

    assert row.dim() == 2


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
def test_the_proofs_see_reads(read, no_host_reads):
    """Each of these would wait for the device."""
    policy = Tamiyo(4, 4, seed=0)

    with pytest.raises(HostReadError), torch.no_grad(), no_host_reads():
        read(policy)
