"""The learner's state determines everything that follows."""

import pytest
import torch

from esper_schemas.metrics.metric import TelemetryLevel
from esper_trainer.config import TrainingConfig
from esper_trainer.learner.learner import Learner, LearnerState, environment_seed
from esper_trainer.ranks.process_group import ProcessGroup

CPU = torch.device("cpu")


def config_of(**changes):
    """A small configuration that draws all kinds of random numbers."""
    return TrainingConfig(**{"environments": 4, "hidden_size": 16, "minibatches": 2, "epochs": 2} | changes)


def state_of(learner):
    """A copy of a learner's state."""
    tensors = {name: tensor.clone() for name, tensor in learner.tensors().items()}
    return LearnerState(tensors, learner.generator_states())


def trained(learner, updates=1):
    """The packed metrics after some updates."""
    for _ in range(updates):
        learner.collector.collect(lambda: None)
        metrics = learner.update(TelemetryLevel.NORMAL)
    return metrics.clone()


@pytest.mark.slow
def test_a_loaded_state_continues_bit_for_bit():
    """It is loaded into a learner that was built with another seed and trained differently."""
    learner, other = Learner(config_of(), CPU), Learner(config_of(seed=9), CPU)
    trained(learner)
    trained(other, 2)
    state = state_of(learner)
    expected = trained(learner)

    other.load(state)

    torch.testing.assert_close(trained(other), expected, rtol=0, atol=0, equal_nan=True)
    assert all(torch.equal(other.tensors()[name], tensor) for name, tensor in learner.tensors().items())


def test_tensors_are_those_of_policy_and_optimiser():
    """Their names begin with a prefix, and they are not copies."""
    learner = Learner(config_of(), CPU)
    names = learner.tensors().keys()
    trained(learner)

    assert {name.split(".")[0] for name in names} == {"policy", "optimiser"}
    assert {"policy.value_mean", "policy.lstm.weight_ih_l0", "optimiser.0.exp_avg"} <= names
    assert learner.tensors()["optimiser.0.step"].item() > 0
    assert learner.generator_states().keys() == {"environment", "actions", "minibatches"}


@pytest.mark.parametrize("missing", ["policy.output.bias", "actions"])
def test_an_incomplete_state_is_refused(missing):
    """A tensor of the policy or a generator is missing."""
    learner = Learner(config_of(), CPU)
    tensors, generators = state_of(learner)
    tensors.pop(missing, None)
    generators.pop(missing, None)

    with pytest.raises(ValueError, match=missing.removeprefix("policy.")):
        learner.load(LearnerState(tensors, generators))


def test_a_state_of_another_size_is_refused():
    """The generators are not changed."""
    learner, before = Learner(config_of(), CPU), Learner(config_of(), CPU).generator_states()
    with pytest.raises(ValueError, match="size mismatch"):
        learner.load(state_of(Learner(config_of(hidden_size=8), CPU)))

    assert all(torch.equal(learner.generator_states()[name], state) for name, state in before.items())


def test_ranks_have_environments_of_their_own():
    """Rank 0 uses the run's seed; every rank starts with the same policy."""
    config = config_of(environments=8)
    first, second = (Learner(config, CPU, ProcessGroup(rank, 2)) for rank in range(2))
    states = first.generator_states(), second.generator_states()

    assert environment_seed(config, ProcessGroup(0, 2)) == config.seed
    assert not torch.equal(states[0]["environment"], states[1]["environment"])
    assert not torch.equal(states[0]["actions"], states[1]["actions"])
    assert torch.equal(states[0]["minibatches"], states[1]["minibatches"])
    assert all(torch.equal(second.tensors()[name], tensor) for name, tensor in first.tensors().items())
