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

from esper_trainer.device.activation_gradients import hardtanh_backward, threshold_backward
from esper_trainer.environments.morph.networks.blueprints import GATE, HIDDEN, SCORES
from esper_trainer.environments.morph.networks.digits import CHANNELS, TOKENS


class CellWeights(NamedTuple):
    """The cells of one slot: inner [N, 41, 32] (hidden, scores, gate), outer [N, 32, 32]."""

    inner: Tensor
    outer: Tensor


class Blend(NamedTuple):
    """The weight of the output by blending style; float32 [N, 1, 1] each, 0 for styles that are off."""

    additive: Tensor
    gated: Tensor
    multiplied: Tensor


class CellRole(NamedTuple):
    """What the cells of one slot are and do at present; float32 [N, 1, 1] each.

    floor, attends: the blueprint's, see `BlueprintTables`.
    passing: 1 where gradients pass through the cell to what lies before it, 0 in TRAINING.
    blend: alpha, at the style that is on.
    learning: the same in the gradient of the cell's own weights: alpha, or 1 in TRAINING, where the
        output does not count yet but learns as if it did (straight-through).
    """

    floor: Tensor
    attends: Tensor
    passing: Tensor
    blend: Blend
    learning: Blend


class CellActivations(NamedTuple):
    """What mixing and the backward pass need of the forward pass.

    output is g; scaling and adding are what the features and g are multiplied by to be added to the features.
    """

    features: Tensor
    inner: Tensor
    hidden: Tensor
    attention: Tensor
    gate: Tensor
    output: Tensor
    scaling: Tensor
    adding: Tensor


def _tokens(features: Tensor) -> Tensor:
    """View [N, 32, rows] as [N, tokens, channels, rows]."""
    return features.view(features.shape[0], TOKENS, CHANNELS, features.shape[2])


def activate(features: Tensor, weights: CellWeights, role: CellRole) -> CellActivations:
    """Run the cells of one slot up to their output, before it is mixed into the features."""
    inner = torch.bmm(weights.inner, features)
    hidden = torch.maximum(inner[:, HIDDEN], role.floor)
    attention = torch.softmax(inner[:, SCORES], dim=1)
    context = (_tokens(features) * attention[:, :, None]).sum(1, keepdim=True)
    _tokens(hidden).addcmul_(context, role.attends[..., None])
    gate = torch.sigmoid(inner[:, GATE])
    output = torch.bmm(weights.outer, hidden)
    scaling = output.clamp(-1, 1).mul_(role.blend.multiplied)
    return CellActivations(
        features, inner, hidden, attention, gate, output, scaling, _adding(role.blend, gate)
    )


def _adding(blend: Blend, gate: Tensor) -> Tensor:
    return torch.addcmul(blend.additive, blend.gated, gate)


def mix(cell: CellActivations, into: Tensor | None = None) -> Tensor:
    """Blend the output into the features; alpha 0 or output 0 leaves every bit as it was."""
    mixed = torch.addcmul(cell.features, cell.features, cell.scaling, out=into)
    return mixed.addcmul_(cell.output, cell.adding)


def backward(
    gradient: Tensor, cell: CellActivations, weights: CellWeights, role: CellRole, into: CellWeights
) -> Tensor:
    """Write the gradients of the weights to `into` and return that of the features, over `gradient`.

    gradient: of the loss with respect to what `mix` returned, [N, 32, rows]. What the cell remembered
    is of no use afterwards: on a CPU memory traffic is what a step costs, so that everything that can be
    done in place is.
    """
    d_inner = torch.empty_like(cell.inner)
    d_features = gradient * cell.scaling  # where alpha differs from the learning weight, nothing passes
    d_output = _unmix(gradient, cell, role.learning)
    _gate_backward(gradient, cell, role, d_inner[:, GATE])
    torch.bmm(d_output, cell.hidden.transpose(1, 2), out=into.outer)
    d_hidden = torch.bmm(weights.outer.transpose(1, 2), d_output)
    threshold_backward(d_hidden, cell.inner[:, HIDDEN].sub_(role.floor), 0, into=d_inner[:, HIDDEN])
    d_context = _tokens(d_hidden).sum(1, keepdim=True).mul_(role.attends[..., None])
    d_attention = (_tokens(cell.features) * d_context).sum(2)
    d_attention -= (d_attention * cell.attention).sum(1, keepdim=True)
    torch.mul(d_attention, cell.attention, out=d_inner[:, SCORES])
    torch.bmm(d_inner, cell.features.transpose(1, 2), out=into.inner)
    d_features.baddbmm_(weights.inner.transpose(1, 2), d_inner)
    _tokens(d_features).addcmul_(cell.attention[:, :, None], d_context)
    return gradient.addcmul_(d_features, role.passing)


def _unmix(gradient: Tensor, cell: CellActivations, learning: Blend) -> Tensor:
    """The gradient of the output."""
    d_output = hardtanh_backward(gradient * cell.features, cell.output, -1, 1)
    return d_output.mul_(learning.multiplied).addcmul_(gradient, _adding(learning, cell.gate))


def _gate_backward(gradient: Tensor, cell: CellActivations, role: CellRole, into: Tensor) -> None:
    d_gate = (gradient * cell.output).sum(1, keepdim=True).mul_(role.learning.gated)
    torch.mul(d_gate, cell.gate * (1 - cell.gate), out=into)
