"""The universal residual cell: one forward and one backward pass for all blueprints and styles.

The cell reads features x and adds to them

    alpha * ((additive + gated * gate(x)) * g + multiplied * x * hardtanh(g)),
    g = outer @ (max(inner @ x, floor) + attends * context(x)),

where context(x) is the attention-weighted mean of the tokens (GCNet, Cao et al. 2019, without its
transform) and gate(x) one sigmoid per sample. The backward pass is written out, so that a step
needs no recorded graph. Activations are [N, features, rows].
"""

from typing import NamedTuple

import torch
from torch import Tensor

from esper_trainer.environment.activations import hardtanh_backward, threshold_backward
from esper_trainer.environment.blueprints import GATE, SCORES
from esper_trainer.environment.data import CHANNELS, FEATURES, TOKENS


class CellWeights(NamedTuple):
    """The cells of one slot: inner [N, 41, 32] (hidden, scores, gate), outer [N, 32, 32]."""

    inner: Tensor
    outer: Tensor


class CellRole(NamedTuple):
    """What the cells of one slot are and do at present; float32 [N, 1, 1] each.

    floor, attends: the blueprint's, see `BlueprintTables`.
    alpha: the weight of the output in the forward pass.
    learning: the weight in the gradient of the cell's own weights: alpha, or 1 in TRAINING, where
        the output does not count yet but learns as if it did (straight-through).
    passing: 1 where gradients pass through the cell to what lies before it, 0 in TRAINING.
    additive, gated, multiplied: which blending style is on.
    """

    floor: Tensor
    attends: Tensor
    alpha: Tensor
    learning: Tensor
    passing: Tensor
    additive: Tensor
    gated: Tensor
    multiplied: Tensor


class CellActivations(NamedTuple):
    """What the backward pass needs of the forward pass."""

    features: Tensor
    inner: Tensor
    hidden: Tensor
    attention: Tensor
    gate: Tensor
    output: Tensor


def _tokens(features: Tensor) -> Tensor:
    """View [N, 32, rows] as [N, tokens, channels, rows]."""
    return features.view(features.shape[0], TOKENS, CHANNELS, features.shape[2])


def activate(features: Tensor, weights: CellWeights, role: CellRole) -> CellActivations:
    """Run the cells of one slot up to their output g, before it is mixed into the features."""
    inner = torch.bmm(weights.inner, features)
    hidden = torch.maximum(inner[:, :FEATURES], role.floor)
    attention = torch.softmax(inner[:, SCORES], dim=1)
    context = (_tokens(features) * attention[:, :, None]).sum(1, keepdim=True)
    _tokens(hidden).addcmul_(context, role.attends[..., None])
    gate = torch.sigmoid(inner[:, GATE])
    output = torch.bmm(weights.outer, hidden)
    return CellActivations(features, inner, hidden, attention, gate, output)


def mix(cell: CellActivations, role: CellRole) -> Tensor:
    """Blend the output into the features; alpha 0 or output 0 leaves every bit as it was."""
    added = cell.output * (role.alpha * (role.additive + role.gated * cell.gate))
    scaling = cell.output.clamp(-1, 1).mul_(role.alpha * role.multiplied)
    return added.addcmul_(cell.features, scaling).add_(cell.features)


def backward(
    gradient: Tensor, cell: CellActivations, weights: CellWeights, role: CellRole, into: CellWeights
) -> Tensor:
    """Write the gradients of the weights to `into` and return the gradient of the features.

    gradient: of the loss with respect to what `mix` returned, [N, 32, rows].
    """
    d_output, d_features = _unmix(gradient, cell, role)
    d_gate = (gradient * cell.output).sum(1, keepdim=True)
    d_gate *= role.learning * role.gated * cell.gate * (1 - cell.gate)
    torch.bmm(d_output, cell.hidden.transpose(1, 2), out=into.outer)
    d_hidden = torch.bmm(weights.outer.transpose(1, 2), d_output)
    d_context = _tokens(d_hidden).sum(1, keepdim=True) * role.attends[..., None]
    d_attention = (_tokens(cell.features) * d_context).sum(2)
    d_attention -= (d_attention * cell.attention).sum(1, keepdim=True)
    d_rectified = threshold_backward(d_hidden, cell.inner[:, :FEATURES] - role.floor, 0)
    d_inner = torch.cat([d_rectified, d_attention * cell.attention, d_gate], dim=1)
    torch.bmm(d_inner, cell.features.transpose(1, 2), out=into.inner)
    d_features += torch.bmm(weights.inner.transpose(1, 2), d_inner)
    _tokens(d_features).addcmul_(cell.attention[:, :, None], d_context)
    return torch.addcmul(gradient, d_features, role.passing)


def _unmix(gradient: Tensor, cell: CellActivations, role: CellRole) -> tuple[Tensor, Tensor]:
    """Gradients of the output and, by the multiplying style alone, of the features."""
    multiplied = gradient * (role.learning * role.multiplied)
    d_features = multiplied * cell.output.clamp(-1, 1)
    inside = hardtanh_backward(multiplied.mul_(cell.features), cell.output, -1, 1)
    added = role.learning * (role.additive + role.gated * cell.gate)
    return inside.addcmul_(gradient, added), d_features
