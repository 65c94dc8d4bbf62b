"""Stochastic gradient descent with momentum for all hosts and seeds at once.

Momentum is the running average of the gradient (torch's SGD with dampening = momentum), so a learning rate
here is 1 / (1 - MOMENTUM) times that of plain momentum. The structure masks are the weights of the newest
gradient in that average: where an entry does not exist its momentum stays 0, and so does the entry.
"""

import torch
from torch import Tensor

from esper_trainer.environments.morph.networks.host_network import HostWeights

MOMENTUM = 0.9
HOST_LEARNING_RATE = 0.3
SEED_LEARNING_RATE = 0.2
MAXIMUM_NORM = 1.0
"""The averaged gradient of every host and of every seed is clipped to this norm."""


def step(
    weights: HostWeights,
    momentum: HostWeights,
    gradient: HostWeights,
    masks: HostWeights,
    is_learning: Tensor,
) -> Tensor:
    """Update weights and momentum in place; return the norms of the seeds before clipping, float32 [3, N].

    masks: 1 - MOMENTUM where an entry exists, else 0. is_learning: float32 [3, N], 1 where a seed is trained.
    """
    for average, current, mask in zip(momentum, gradient, masks, strict=True):
        average.lerp_(current, mask)
    seed_norm = torch.hypot(_norm(momentum.seed_inner), _norm(momentum.seed_outer))
    host_step = -HOST_LEARNING_RATE * _clip(_host_norm(momentum))[:, None, None]
    seed_step = -SEED_LEARNING_RATE * (is_learning * _clip(seed_norm))[:, :, None, None]
    weights.block_in.addcmul_(momentum.block_in, host_step)
    weights.block_out.addcmul_(momentum.block_out, host_step)
    weights.readout.addcmul_(momentum.readout, host_step)
    weights.seed_inner.addcmul_(momentum.seed_inner, seed_step)
    weights.seed_outer.addcmul_(momentum.seed_outer, seed_step)
    return seed_norm


def _host_norm(momentum: HostWeights) -> Tensor:
    blocks = torch.stack([_norm(momentum.block_in), _norm(momentum.block_out)])
    return torch.hypot(torch.linalg.vector_norm(blocks, dim=(0, 1)), _norm(momentum.readout))


def _norm(matrices: Tensor) -> Tensor:
    norm: Tensor = torch.linalg.vector_norm(matrices, dim=(-2, -1))
    return norm


def _clip(norm: Tensor) -> Tensor:
    """The factor that clips a norm to the maximum."""
    return MAXIMUM_NORM * norm.clamp_min(MAXIMUM_NORM).reciprocal()
