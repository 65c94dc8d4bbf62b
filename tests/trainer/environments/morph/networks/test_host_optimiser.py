"""Gradient descent with momentum, masks and clipping."""

import pytest
import torch

from esper_trainer.environments.morph.networks import host_network, host_optimiser
from esper_trainer.environments.morph.networks.host_network import HostWeights
from esper_trainer.environments.morph.networks.host_optimiser import (
    HOST_LEARNING_RATE,
    MAXIMUM_NORM,
    MOMENTUM,
    SEED_LEARNING_RATE,
)

CPU = torch.device("cpu")


def filled(value: float) -> HostWeights:
    """The same number everywhere, for two environments."""
    return HostWeights(*(torch.full_like(tensor, value) for tensor in host_network.zeros(2, CPU)))


def one_entry(value: float) -> HostWeights:
    """Gradients that are zero but for one entry of the readout and of slot 0's outer matrix."""
    gradient = filled(0.0)
    gradient.readout[:, 0, 0] = value
    gradient.seed_outer[0, :, 0, 0] = value
    return gradient


LEARNS = torch.tensor([[1.0, 0.0], [1.0, 1.0], [1.0, 1.0]])


def test_two_steps_by_hand():
    """Momentum is the running average of the gradient, and the weights follow it."""
    weights, momentum, masks = filled(0.0), filled(0.0), filled(1 - MOMENTUM)
    for _ in range(2):
        host_optimiser.step(weights, momentum, one_entry(0.5), masks, LEARNS)
    first = 0.5 * (1 - MOMENTUM)
    second = MOMENTUM * first + first

    assert momentum.readout[0, 0, 0] == pytest.approx(second)
    assert weights.readout[0, 0, 0] == pytest.approx(-HOST_LEARNING_RATE * (first + second))
    assert weights.seed_outer[0, 0, 0, 0] == pytest.approx(-SEED_LEARNING_RATE * (first + second))


def test_a_seed_that_does_not_learn_keeps_its_weights():
    """Where `is_learning` is 0 no weight changes."""
    weights = filled(0.0)
    host_optimiser.step(weights, filled(0.0), one_entry(0.5), filled(1 - MOMENTUM), LEARNS)

    assert weights.seed_outer[0, 1, 0, 0] == 0
    assert weights.seed_outer[0, 0, 0, 0] != 0


def test_masked_entries_stay_zero():
    """An entry that its blueprint does not have never gets momentum or weight."""
    weights, momentum, masks = filled(0.0), filled(0.0), filled(1 - MOMENTUM)
    masks.readout[:, 0, 0] = 0
    host_optimiser.step(weights, momentum, filled(0.01), masks, LEARNS)

    assert (weights.readout[:, 0, 0] == 0).all()
    assert (weights.readout[:, 0, 1] != 0).all()


def test_large_gradients_are_clipped_and_reported():
    """The step has the maximum norm; the returned norm is the one before clipping."""
    weights = filled(0.0)
    norms = host_optimiser.step(weights, filled(0.0), one_entry(1e6), filled(1 - MOMENTUM), LEARNS)

    assert norms[0, 0] == pytest.approx(1e6 * (1 - MOMENTUM))
    assert norms[1, 0] == 0
    assert weights.readout[0, 0, 0] == pytest.approx(-HOST_LEARNING_RATE * MAXIMUM_NORM)
    assert weights.seed_outer[0, 0, 0, 0] == pytest.approx(-SEED_LEARNING_RATE * MAXIMUM_NORM)
