"""Tensors of any shape arrive in one copy."""

import torch

from esper_trainer.transfer import HostCopy


def test_shapes_and_values_survive():
    """As float32, whatever they were."""
    tensors = [torch.tensor(1.5), torch.arange(6).view(2, 3), torch.tensor([True, False])]

    copy = HostCopy(tensors)

    assert copy.ready()
    assert [part.tolist() for part in copy.wait()] == [1.5, [[0, 1, 2], [3, 4, 5]], [1, 0]]


def test_it_is_a_copy():
    """What the device does next does not reach it."""
    source = torch.zeros(3)

    copy = HostCopy([source])
    source.fill_(1.0)

    assert copy.wait()[0].tolist() == [0.0, 0.0, 0.0]
