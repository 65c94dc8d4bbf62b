"""A number with whether it was measured, on the device."""

from typing import NamedTuple

import torch
from torch import Tensor


class Measurement(NamedTuple):
    """A value, 0-d or [8], and whether it was measured (bool, same shape)."""

    value: Tensor
    measured: Tensor


def always(value: Tensor) -> Measurement:
    """A value that is never left out."""
    return Measurement(value, torch.ones_like(value, dtype=torch.bool))


def average(total: Tensor, count: Tensor) -> Measurement:
    """A total over a count; not measured where nothing was counted."""
    return Measurement(total / count.clamp_min(1.0), (count > 0).expand_as(total))
