"""The host networks: N small classifiers as stacked tensors, each with three slots for seeds.

A host has three thin residual blocks, each followed by a slot, and a readout. It is impaired on
purpose: its blocks are one to four units wide and its readout sees only some of the features, so
that seeds have something to add. Activations are [N, features, rows]; see `data.feature_major`.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from esper_schemas.heads import HEAD_SIZES
from esper_trainer.device.activation_gradients import threshold_backward
from esper_trainer.environments.morph.networks import seed_block
from esper_trainer.environments.morph.networks.blueprints import INNER_ROWS
from esper_trainer.environments.morph.networks.digits import CLASSES, FEATURES
from esper_trainer.environments.morph.networks.seed_block import CellRole, CellWeights

SLOTS = HEAD_SIZES["slot"]
BLOCK_WIDTH = 4
PASSES = 1 + SLOTS
"""Validation measures a host with all of its seeds, and without each."""
READOUT_FEATURES = 8
"""The readout sees this many features, two tokens of eight; seeds can bring it the others."""


class Weights(NamedTuple):
    """The weights of N hosts and their cells, or anything of the same shapes.

    block_in [3, N, 4, 32], block_out [3, N, 32, 4], readout [N, 10, 32],
    cell_inner [3, N, 41, 32], cell_outer [3, N, 32, 32]; float32.
    """

    block_in: Tensor
    block_out: Tensor
    readout: Tensor
    cell_inner: Tensor
    cell_outer: Tensor

    def cell(self, slot: int) -> CellWeights:
        """The cells in one slot of every host."""
        return CellWeights(self.cell_inner[slot], self.cell_outer[slot])


def zeros(environments: int, device: torch.device) -> Weights:
    """Weights that are all 0."""
    slots = (SLOTS, environments)
    return Weights(
        block_in=torch.zeros(*slots, BLOCK_WIDTH, FEATURES, device=device),
        block_out=torch.zeros(*slots, FEATURES, BLOCK_WIDTH, device=device),
        readout=torch.zeros(environments, CLASSES, FEATURES, device=device),
        cell_inner=_cells(environments, INNER_ROWS, device),
        cell_outer=_cells(environments, FEATURES, device),
    )


def _cells(environments: int, rows: int, device: torch.device) -> Tensor:
    cells = torch.zeros(SLOTS * environments + 1, rows, FEATURES, device=device)
    return cells[:-1].view(SLOTS, environments, rows, FEATURES)


def with_spare(cells: Tensor) -> Tensor:
    """The cells [3, N, ...] that `zeros` made as [3 * N + 1, ...]: after them comes one that nobody reads.

    It is where those are written to that are not wanted, which costs less than to keep what was there.
    """
    return cells.as_strided((SLOTS * cells.shape[1] + 1, *cells.shape[2:]), cells.stride()[1:])


class _Block(NamedTuple):
    """What the backward pass needs of one host block and its slot."""

    features: Tensor
    rectified: Tensor
    cell: seed_block.CellActivations


def _block(features: Tensor, weights: Weights, slot: int) -> tuple[Tensor, Tensor]:
    """Run one host block; return its rectified units and the features with the block added."""
    rectified = torch.bmm(weights.block_in[slot], features).clamp_min_(0)
    return rectified, torch.baddbmm(features, weights.block_out[slot], rectified)


def logits(features: Tensor, weights: Weights, roles: list[CellRole]) -> Tensor:
    """The class scores [N, 10, rows] of plain forward passes."""
    for slot, role in enumerate(roles):
        _, features = _block(features, weights, slot)
        features = seed_block.mix(seed_block.activate(features, weights.cell(slot), role))
    return torch.bmm(weights.readout, features)


def counterfactual_logits(features: Tensor, weights: Weights, roles: list[CellRole]) -> Tensor:
    """The class scores with all seeds and with each one left out, [N, 10, 1 + slots, rows].

    The passes share their prefix: leaving out slot s changes nothing before it, so its rows are
    split off there, and the rows grow from 1 to 4 times the samples instead of starting at 4.
    """
    samples = features.shape[2]
    for slot, role in enumerate(roles):
        _, features = _block(features, weights, slot)
        passes = features.new_empty(*features.shape[:2], features.shape[2] + samples)
        passes[:, :, -samples:] = features[:, :, :samples]
        seed_block.mix(seed_block.activate(features, weights.cell(slot), role), into=passes[:, :, :-samples])
        features = passes
    scores = torch.bmm(weights.readout, features)
    return scores.view(*scores.shape[:2], 1 + len(roles), samples)


def gradients(
    features: Tensor, labels: Tensor, weights: Weights, roles: list[CellRole], into: Weights
) -> None:
    """Write the gradient of each host's mean cross-entropy to `into`.

    features: [N, 32, rows]. labels: int64 [N, rows].
    """
    blocks: list[_Block] = []
    for slot, role in enumerate(roles):
        rectified, after = _block(features, weights, slot)
        activations = seed_block.activate(after, weights.cell(slot), role)
        blocks.append(_Block(features, rectified, activations))
        features = seed_block.mix(activations)
    d_logits = _cross_entropy_gradient(torch.bmm(weights.readout, features), labels)
    torch.bmm(d_logits, features.transpose(1, 2), out=into.readout)
    gradient = torch.bmm(weights.readout.transpose(1, 2), d_logits)
    for slot in reversed(range(len(roles))):
        block, role = blocks[slot], roles[slot]
        gradient = seed_block.backward(gradient, block.cell, weights.cell(slot), role, into.cell(slot))
        gradient = _block_backward(gradient, block, weights, slot, into)


def _cross_entropy_gradient(scores: Tensor, labels: Tensor) -> Tensor:
    """Gradient of the mean over rows of the cross-entropy, [N, 10, rows]."""
    classes = torch.arange(CLASSES, device=scores.device)[:, None]
    target = labels[:, None] == classes
    return (torch.softmax(scores, dim=1) - target.float()) / labels.shape[1]


def _block_backward(gradient: Tensor, block: _Block, weights: Weights, slot: int, into: Weights) -> Tensor:
    """Write the gradients of one host block to `into` and return that of its input, over `gradient`."""
    d_units = torch.bmm(weights.block_out[slot].transpose(1, 2), gradient)
    d_rectified = threshold_backward(d_units, block.rectified, 0)
    torch.bmm(gradient, block.rectified.transpose(1, 2), out=into.block_out[slot])
    torch.bmm(d_rectified, block.features.transpose(1, 2), out=into.block_in[slot])
    return gradient.baddbmm_(weights.block_in[slot].transpose(1, 2), d_rectified)
