"""Tensors of any shape arrive on the host in one copy."""

import torch

from esper_trainer.device.host_transfer import HostBuffers, HostCopy, pack, unpack


def test_shapes_and_values_survive():
    """Tensors of all types arrive as float32."""
    tensors = [torch.tensor(1.5), torch.arange(6).view(2, 3), torch.tensor([True, False])]

    copy = HostCopy(tensors)

    assert copy.ready()
    assert [part.tolist() for part in copy.wait()] == [1.5, [[0, 1, 2], [3, 4, 5]], [1, 0]]


def test_it_is_a_copy():
    """Later changes on the device do not reach it."""
    source = torch.zeros(3)

    copy = HostCopy([source])
    source.fill_(1.0)

    assert copy.wait()[0].tolist() == [0.0, 0.0, 0.0]


def test_buffers_are_allocated_once_and_used_in_rotation():
    """With two slots the third copy reuses the memory of the first; only a longer copy allocates."""
    buffers = HostBuffers(2)
    copies = [buffers.copy([torch.full((4,), float(value))]).wait()[0] for value in range(3)]

    assert copies[1].tolist() == [1.0] * 4
    assert copies[2].data_ptr() == copies[0].data_ptr() != copies[1].data_ptr()
    assert buffers.copy([torch.ones(2)]).wait()[0].data_ptr() == copies[1].data_ptr()
    assert buffers.copy([torch.ones(9)]).wait()[0].tolist() == [1.0] * 9


def test_packed_tensors_come_back_in_their_shapes():
    """Tensors of all types are packed as float32."""
    tensors = [torch.tensor(1.5), torch.arange(6).view(2, 3), torch.tensor([True, False])]

    vector = pack(tensors)
    parts = unpack(vector, [tensor.shape for tensor in tensors])

    assert vector.tolist() == [1.5, 0, 1, 2, 3, 4, 5, 1, 0]
    assert [part.tolist() for part in parts] == [1.5, [[0, 1, 2], [3, 4, 5]], [1, 0]]
