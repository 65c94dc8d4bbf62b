"""The residual block of a seed: one forward and one backward pass for all blueprints and styles.

The block reads features x and adds to them

    alpha * ((additive + gated * gate(x)) * g + multiplied * x * hardtanh(g)),
    g = outer @ (max(inner @ x, floor) + attends * context(x)),

where context(x) is the attention-weighted mean of the tokens (GCNet, Cao et al. 2019, without its transform)
and gate(x) one sigmoid per sample. The backward pass is written out, so that no autograd graph is recorded.
Activations are [N, features, rows].
"""

from typing import NamedTuple

import torch
from torch import Tensor

from esper_trainer.device.activation_gradients import hardtanh_backward, threshold_backward
from esper_trainer.environments.morph.networks.blueprints import GATE, HIDDEN, SCORES
from esper_trainer.environments.morph.networks.digits import CHANNELS, TOKENS


class SeedWeights(NamedTuple):
    """The blocks in one slot: inner [N, 41, 32] (hidden, scores, gate), outer [N, 32, 32]."""

    inner: Tensor
    outer: Tensor


class BlendWeights(NamedTuple):
    """The weight of the output by blending style; float32 [N, 1, 1] each, 0 for styles that are not used."""

    additive: Tensor
    gated: Tensor
    multiplied: Tensor


class SeedMode(NamedTuple):
    """How the blocks in one slot operate at present; float32 [N, 1, 1] each.

    floor, attends: from the blueprint, see `BlueprintTables`.
    passing: 1 where gradients pass through the block to earlier layers, 0 in TRAINING.
    blend: alpha at the blending style.
    learning: the same for the gradient of the block's own weights: alpha, or 1 in TRAINING, where the
        output is not added yet but learns as if it were (straight-through).
    """

    floor: Tensor
    attends: Tensor
    passing: Tensor
    blend: BlendWeights
    learning: BlendWeights


class SeedActivations(NamedTuple):
    """Intermediate results of the forward pass.

    output is g; scaling and adding are the factors of the features and of g when they are added to the
    features.
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


def forward(features: Tensor, weights: SeedWeights, mode: SeedMode) -> SeedActivations:
    """Run the blocks in one slot up to their output, before it is added to the features."""
    inner = torch.bmm(weights.inner, features)
    hidden = torch.maximum(inner[:, HIDDEN], mode.floor)
    attention = torch.softmax(inner[:, SCORES], dim=1)
    context = (_tokens(features) * attention[:, :, None]).sum(1, keepdim=True)
    _tokens(hidden).addcmul_(context, mode.attends[..., None])
    gate = torch.sigmoid(inner[:, GATE])
    output = torch.bmm(weights.outer, hidden)
    scaling = output.clamp(-1, 1).mul_(mode.blend.multiplied)
    return SeedActivations(
        features, inner, hidden, attention, gate, output, scaling, _adding(mode.blend, gate)
    )


def _adding(blend: BlendWeights, gate: Tensor) -> Tensor:
    return torch.addcmul(blend.additive, blend.gated, gate)


def blend_output(block: SeedActivations, into: Tensor | None = None) -> Tensor:
    """Add the output to the features; with alpha 0 or output 0 the features are bit-identical."""
    blended = torch.addcmul(block.features, block.features, block.scaling, out=into)
    return blended.addcmul_(block.output, block.adding)


def backward(
    gradient: Tensor, block: SeedActivations, weights: SeedWeights, mode: SeedMode, into: SeedWeights
) -> Tensor:
    """Write the gradients of the weights to `into`; return that of the features, in the memory of
    `gradient`.

    gradient: of the loss with respect to the result of `blend_output`, [N, 32, rows]. The activations cannot
    be used afterwards: on a CPU memory traffic dominates a step, so that everything possible is done in
    place.
    """
    d_inner = torch.empty_like(block.inner)
    d_features = gradient * block.scaling  # where alpha differs from the learning weight, nothing passes
    d_output = _unmix(gradient, block, mode.learning)
    _gate_backward(gradient, block, mode, d_inner[:, GATE])
    torch.bmm(d_output, block.hidden.transpose(1, 2), out=into.outer)
    d_hidden = torch.bmm(weights.outer.transpose(1, 2), d_output)
    threshold_backward(d_hidden, block.inner[:, HIDDEN].sub_(mode.floor), 0, into=d_inner[:, HIDDEN])
    d_context = _tokens(d_hidden).sum(1, keepdim=True).mul_(mode.attends[..., None])
    d_attention = (_tokens(block.features) * d_context).sum(2)
    d_attention -= (d_attention * block.attention).sum(1, keepdim=True)
    torch.mul(d_attention, block.attention, out=d_inner[:, SCORES])
    torch.bmm(d_inner, block.features.transpose(1, 2), out=into.inner)
    d_features.baddbmm_(weights.inner.transpose(1, 2), d_inner)
    _tokens(d_features).addcmul_(block.attention[:, :, None], d_context)
    return gradient.addcmul_(d_features, mode.passing)


def _unmix(gradient: Tensor, block: SeedActivations, learning: BlendWeights) -> Tensor:
    """The gradient of the output g."""
    d_output = hardtanh_backward(gradient * block.features, block.output, -1, 1)
    return d_output.mul_(learning.multiplied).addcmul_(gradient, _adding(learning, block.gate))


def _gate_backward(gradient: Tensor, block: SeedActivations, mode: SeedMode, into: Tensor) -> None:
    d_gate = (gradient * block.output).sum(1, keepdim=True).mul_(mode.learning.gated)
    torch.mul(d_gate, block.gate * (1 - block.gate), out=into)
