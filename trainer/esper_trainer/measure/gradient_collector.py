"""Gradient statistics for DEBUG telemetry: norms, magnitude histograms, and cosines between heads.

Everything is reduced on the device; nothing is read on the host.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from esper_schemas.heads import HEADS
from esper_trainer.model.action_layout import VALUE_ROW, ActionLayout

LOSS_PARTS = (*HEADS, "value")
"""The parts of the loss that reach the trunk through separate rows of the output layer."""


class RowGradients(NamedTuple):
    """The gradient of the loss with respect to the output layer's results: logits [41, N], values [N]."""

    logits: Tensor
    values: Tensor


class CollectedGradients(NamedTuple):
    """Norms of P parameters [P], histograms of their entries by magnitude [P, B + 2], and gradients by
    head.

    The columns of `magnitudes` are those of `LayerGradientsSampled`. For the gradient of the trunk's output,
    the contributions of the `LOSS_PARTS`: their norms `trunk_norms` [9] and `cosines` [9, 9].
    """

    layers: Tensor
    magnitudes: Tensor
    trunk_norms: Tensor
    cosines: Tensor


def collect_gradients(
    gradients: tuple[Tensor, ...],
    bounds: tuple[float, ...],
    rows: RowGradients,
    weight: Tensor,
    layout: ActionLayout,
) -> CollectedGradients:
    """Reduce the gradients of the parameters and of the output layer's results; weight [42, H]."""
    return CollectedGradients(
        torch.stack(torch._foreach_norm(gradients)),
        torch.stack([_magnitudes(gradient, bounds) for gradient in gradients]),
        *_trunk_gradients(rows, weight, layout),
    )


def _magnitudes(gradient: Tensor, bounds: tuple[float, ...]) -> Tensor:
    """Numbers of entries below the first bound, between bounds, from the last bound on, and not finite."""
    finite = gradient.isfinite()
    sizes = torch.where(finite, gradient.abs(), -1.0)
    reached = [finite.sum(), *((sizes >= bound).sum() for bound in bounds)]
    counts = torch.stack([*reached, torch.zeros_like(reached[0])])
    return torch.cat((counts[:-1] - counts[1:], (gradient.numel() - reached[0])[None]))


def _trunk_gradients(rows: RowGradients, weight: Tensor, layout: ActionLayout) -> tuple[Tensor, Tensor]:
    """Norms [9] and cosines [9, 9]; the product of the contributions d wᵀ of two rows is (d·d')(w·w')."""
    gradients = torch.cat((rows.logits, rows.values[None]))
    largest = gradients.abs().amax().clamp_min(torch.finfo(gradients.dtype).tiny)
    scaled = gradients / largest  # so that squares of small gradients do not underflow
    pairs = (scaled @ scaled.t()) * (weight @ weight.t())
    membership = torch.cat((layout.membership, _value_membership(layout)))
    products = membership @ pairs @ membership.t()
    norms = products.diagonal().clamp_min(0.0).sqrt()
    return norms * largest, (products / (norms[:, None] * norms)).clamp(-1.0, 1.0)


def _value_membership(layout: ActionLayout) -> Tensor:
    value = torch.zeros_like(layout.membership[:1])
    value[:, VALUE_ROW] = 1.0
    return value
