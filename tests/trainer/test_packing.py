"""Tensors of any shape and type become one vector and themselves again."""

import torch

from esper_trainer.packing import pack, unpack


def test_shapes_and_values_survive():
    """As float32, whatever they were."""
    tensors = [torch.tensor(1.5), torch.arange(6).view(2, 3), torch.tensor([True, False])]

    vector = pack(tensors)
    parts = unpack(vector, [tensor.shape for tensor in tensors])

    assert vector.tolist() == [1.5, 0, 1, 2, 3, 4, 5, 1, 0]
    assert [part.tolist() for part in parts] == [1.5, [[0, 1, 2], [3, 4, 5]], [1, 0]]
