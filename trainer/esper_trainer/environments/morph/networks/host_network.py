"""The host networks: N small classifiers as stacked tensors, each with three slots for seeds.

A host has three narrow residual blocks, each followed by a slot, and a readout. Its capacity is limited on
purpose: its blocks have one to four units and its readout sees only some of the features, so that seeds can
improve it. Activations are [N, features, rows], see `digits.feature_major`.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from esper_schemas.heads import HEAD_SIZES
from esper_trainer.device.activation_gradients import threshold_backward
from esper_trainer.environments.morph.networks import seed_block
from esper_trainer.environments.morph.networks.blueprints import INNER_ROWS
from esper_trainer.environments.morph.networks.digits import CLASSES, FEATURES
from esper_trainer.environments.morph.networks.seed_block import SeedMode, SeedWeights

SLOTS = HEAD_SIZES["slot"]
BLOCK_WIDTH = 4
PASSES = 1 + SLOTS
"""Validation evaluates a host with all of its seeds, and without each one."""
READOUT_FEATURES = 8
"""Features that the readout sees: two tokens of eight; seeds can move information from the others there."""


class HostWeights(NamedTuple):
    """The weights of N hosts and their seed blocks, or other tensors of the same shapes.

    block_in [3, N, 4, 32], block_out [3, N, 32, 4], readout [N, 10, 32],
    seed_inner [3, N, 41, 32], seed_outer [3, N, 32, 32]; float32.
    """

    block_in: Tensor
    block_out: Tensor
    readout: Tensor
    seed_inner: Tensor
    seed_outer: Tensor

    def seed_block(self, slot: int) -> SeedWeights:
        """The seed blocks in one slot of every host."""
        return SeedWeights(self.seed_inner[slot], self.seed_outer[slot])


def zeros(environments: int, device: torch.device) -> HostWeights:
    """Weights that are all 0."""
    slots = (SLOTS, environments)
    return HostWeights(
        block_in=torch.zeros(*slots, BLOCK_WIDTH, FEATURES, device=device),
        block_out=torch.zeros(*slots, FEATURES, BLOCK_WIDTH, device=device),
        readout=torch.zeros(environments, CLASSES, FEATURES, device=device),
        seed_inner=_seed_matrices(environments, INNER_ROWS, device),
        seed_outer=_seed_matrices(environments, FEATURES, device),
    )


def _seed_matrices(environments: int, rows: int, device: torch.device) -> Tensor:
    matrices = torch.zeros(SLOTS * environments + 1, rows, FEATURES, device=device)
    return matrices[:-1].view(SLOTS, environments, rows, FEATURES)


def with_spare_row(matrices: Tensor) -> Tensor:
    """View seed matrices [3, N, ...] from `zeros` as [3 * N + 1, ...]; the last row is never read.

    Values that are to be discarded are written there, which is cheaper than keeping the old ones.
    """
    return matrices.as_strided((SLOTS * matrices.shape[1] + 1, *matrices.shape[2:]), matrices.stride()[1:])


class _Block(NamedTuple):
    """Intermediate results of one host block and its slot, for the backward pass."""

    features: Tensor
    rectified: Tensor
    seed: seed_block.SeedActivations


def _block(features: Tensor, weights: HostWeights, slot: int) -> tuple[Tensor, Tensor]:
    """Run one host block; return its rectified units and the features with its output added."""
    rectified = torch.bmm(weights.block_in[slot], features).clamp_min_(0)
    return rectified, torch.baddbmm(features, weights.block_out[slot], rectified)


def logits(features: Tensor, weights: HostWeights, modes: list[SeedMode]) -> Tensor:
    """The class scores [N, 10, rows] of a plain forward pass."""
    for slot, mode in enumerate(modes):
        _, features = _block(features, weights, slot)
        features = seed_block.blend_output(seed_block.forward(features, weights.seed_block(slot), mode))
    return torch.bmm(weights.readout, features)


def counterfactual_logits(features: Tensor, weights: HostWeights, modes: list[SeedMode]) -> Tensor:
    """The class scores with all seeds and with each one left out, [N, 10, 1 + slots, rows].

    The passes share their prefix: leaving out the seed in slot s changes nothing before s, so its rows are
    split off there, and the rows grow from 1 to 4 times the samples instead of starting at 4.
    """
    samples = features.shape[2]
    for slot, mode in enumerate(modes):
        _, features = _block(features, weights, slot)
        passes = features.new_empty(*features.shape[:2], features.shape[2] + samples)
        passes[:, :, -samples:] = features[:, :, :samples]
        activations = seed_block.forward(features, weights.seed_block(slot), mode)
        seed_block.blend_output(activations, into=passes[:, :, :-samples])
        features = passes
    scores = torch.bmm(weights.readout, features)
    return scores.view(*scores.shape[:2], 1 + len(modes), samples)


def gradients(
    features: Tensor, labels: Tensor, weights: HostWeights, modes: list[SeedMode], into: HostWeights
) -> None:
    """Write the gradient of each host's mean cross-entropy to `into`.

    features: [N, 32, rows]. labels: int64 [N, rows].
    """
    blocks: list[_Block] = []
    for slot, mode in enumerate(modes):
        rectified, after = _block(features, weights, slot)
        activations = seed_block.forward(after, weights.seed_block(slot), mode)
        blocks.append(_Block(features, rectified, activations))
        features = seed_block.blend_output(activations)
    d_logits = _cross_entropy_gradient(torch.bmm(weights.readout, features), labels)
    torch.bmm(d_logits, features.transpose(1, 2), out=into.readout)
    gradient = torch.bmm(weights.readout.transpose(1, 2), d_logits)
    for slot in reversed(range(len(modes))):
        block, mode = blocks[slot], modes[slot]
        own, own_gradient = weights.seed_block(slot), into.seed_block(slot)
        gradient = seed_block.backward(gradient, block.seed, own, mode, own_gradient)
        gradient = _block_backward(gradient, block, weights, slot, into)


def _cross_entropy_gradient(scores: Tensor, labels: Tensor) -> Tensor:
    """Gradient of the cross-entropy, averaged over rows, with respect to the scores, [N, 10, rows]."""
    classes = torch.arange(CLASSES, device=scores.device)[:, None]
    target = labels[:, None] == classes
    return (torch.softmax(scores, dim=1) - target.float()) / labels.shape[1]


def _block_backward(
    gradient: Tensor, block: _Block, weights: HostWeights, slot: int, into: HostWeights
) -> Tensor:
    """Write the gradients of one host block to `into`; return that of its input, in the memory of
    `gradient`."""
    d_units = torch.bmm(weights.block_out[slot].transpose(1, 2), gradient)
    d_rectified = threshold_backward(d_units, block.rectified, 0)
    torch.bmm(gradient, block.rectified.transpose(1, 2), out=into.block_out[slot])
    torch.bmm(d_rectified, block.features.transpose(1, 2), out=into.block_in[slot])
    return gradient.baddbmm_(weights.block_in[slot].transpose(1, 2), d_rectified)
