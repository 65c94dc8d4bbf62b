"""State that is copied and overwritten in place."""

from typing import NamedTuple

import torch
from torch import Tensor

from esper_trainer.device.static_buffers import leaves, overwrite, owned


class Inner(NamedTuple):
    """A part of a state."""

    one: Tensor
    other: Tensor


class State(NamedTuple):
    """A nested state."""

    inner: Inner
    last: Tensor


def state_of(*values):
    """A state whose tensors have one value each."""
    one, other, last = (torch.full((2, 3), float(value)) for value in values)
    return State(Inner(one, other), last)


def test_a_copy_shares_no_memory():
    """It shares none with the original nor between its tensors, even if those were expanded or repeated."""
    shared = torch.zeros(1).expand(2, 3)
    copy = owned(State(Inner(shared, shared), shared))

    copy.inner.one.fill_(1.0)

    assert isinstance(copy.inner, Inner)
    assert len({tensor.data_ptr() for tensor in (*leaves(copy), shared)}) == 4
    assert [tensor.sum().item() for tensor in leaves(copy)] == [6.0, 0.0, 0.0]
    assert shared.sum() == 0


def test_leaves_are_in_order():
    """The order is depth first."""
    assert [tensor[0, 0].item() for tensor in leaves([state_of(1, 2, 3), torch.full((1, 1), 4.0)])] == [
        1,
        2,
        3,
        4,
    ]


def test_overwriting_keeps_the_memory():
    """The values are new, the addresses are not; the source is copied, not referred to."""
    state, new = state_of(1, 2, 3), state_of(4, 5, 6)
    addresses = [tensor.data_ptr() for tensor in leaves(state)]

    overwrite(state, new)
    new.last.fill_(0.0)

    assert [tensor.data_ptr() for tensor in leaves(state)] == addresses
    assert [tensor[0, 0].item() for tensor in leaves(state)] == [4, 5, 6]
