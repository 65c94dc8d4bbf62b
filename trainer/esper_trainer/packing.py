"""Several tensors as one vector: one kernel or one copy instead of many."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor


def pack(tensors: Iterable[Tensor]) -> Tensor:
    """All elements as float32, one tensor after the other."""
    return torch.cat([tensor.reshape(-1) for tensor in tensors]).float()


def unpack(vector: Tensor, shapes: Sequence[torch.Size]) -> list[Tensor]:
    """Views of a packed vector in the shapes that the tensors had."""
    parts = torch.split(vector, [shape.numel() for shape in shapes])
    return [part.view(shape) for part, shape in zip(parts, shapes, strict=True)]
