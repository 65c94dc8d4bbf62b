"""State whose memory never moves: every step writes its new state over the old one.

A captured step is replayed on the same memory again and again, so no state may live in tensors that a step
allocates.
"""

from typing import Any, TypeVar

import torch
from torch import Tensor

State = TypeVar("State")


def owned(state: State) -> State:
    """Copy a tensor, or named tuples of tensors, so that no two tensors share memory."""
    copy: Any = state
    if isinstance(copy, Tensor):
        copy = copy.clone(memory_format=torch.contiguous_format)
    else:
        copy = type(copy)(*map(owned, copy))
    result: State = copy
    return result


def leaves(state: Any) -> list[Tensor]:
    """All tensors of a nested state, in order."""
    if isinstance(state, Tensor):
        return [state]
    return [leaf for part in state for leaf in leaves(part)]


def overwrite(state: Any, new: Any) -> None:
    """Copy new values over old ones of the same shapes.

    A tensor that is part of both must be in the same position.
    """
    torch._foreach_copy_(leaves(state), leaves(new))
