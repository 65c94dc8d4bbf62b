"""The environment's own random numbers, independent of every other generator."""

import math

import torch
from torch import Tensor


class RandomSource:
    """Random tensors on one device from one seed; the global generators are not used.

    The state of `generator` determines all numbers to come.
    """

    def __init__(self, seed: int, device: torch.device) -> None:
        self.device = device
        self.generator = torch.Generator(device).manual_seed(seed)

    def uniform(self, *shape: int) -> Tensor:
        """Float32 in [0, 1)."""
        return torch.rand(shape, generator=self.generator, device=self.device)

    def coarse_uniform(self, *shape: int) -> Tensor:
        """Float32 in [-1, 1), in steps of 1 / 32768; on a CPU two draws of the generator yield four
        numbers."""
        count = math.prod(shape)
        words = torch.empty(-(-count // 4), dtype=torch.int64, device=self.device)
        words.random_(-(2**63), None, generator=self.generator)
        return words.view(torch.int16)[:count].view(shape).float().mul_(2.0**-15)

    def normal(self, *shape: int) -> Tensor:
        """Float32 from the standard normal distribution."""
        return torch.randn(shape, generator=self.generator, device=self.device)

    def integers(self, low: int, high: int, *shape: int) -> Tensor:
        """Int64 from low to high - 1."""
        return torch.randint(low, high, shape, generator=self.generator, device=self.device)
