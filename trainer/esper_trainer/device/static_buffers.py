"""State that stays where it is: what a step makes is written over what was there before.

A recorded step is replayed on the same memory again and again, so that nothing of an environment may
live in tensors that a step allocates.
"""

from typing import Any, TypeVar

import torch
from torch import Tensor

State = TypeVar("State")


def owned(state: State) -> State:
    """A copy of a tensor, or of named tuples of such, in which no two tensors share memory."""
    copy: Any = state
    if isinstance(copy, Tensor):
        copy = copy.clone(memory_format=torch.contiguous_format)
    else:
        copy = type(copy)(*map(owned, copy))
    result: State = copy
    return result


def leaves(state: Any) -> list[Tensor]:
    """All tensors, in order."""
    if isinstance(state, Tensor):
        return [state]
    return [leaf for part in state for leaf in leaves(part)]


def overwrite(state: Any, new: Any) -> None:
    """Write new values over old ones of the same shapes; what both share has to be in the same place."""
    torch._foreach_copy_(leaves(state), leaves(new))
