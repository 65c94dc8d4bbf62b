"""What DEBUG telemetry tells of gradients: norms, magnitudes, and whether heads pull the same way.

Everything is a reduction on the device; nothing is read there.
"""

from collections.abc import Iterator
from itertools import combinations
from typing import NamedTuple

import torch
from torch import Tensor

from esper_schemas.events import Event, HeadGradientsCompared, LayerGradientsSampled
from esper_schemas.heads import HEADS
from esper_trainer.model.action_layout import VALUE_ROW, ActionLayout

LOSS_PARTS = (*HEADS, "value")
"""What the loss consists of, as far as it reaches the trunk by different rows of the output layer."""


class RowGradients(NamedTuple):
    """The loss's gradient with respect to what the output layer says: logits [41, N], values [N]."""

    logits: Tensor
    values: Tensor


class CollectedGradients(NamedTuple):
    """Norms of P parameters [P], counts of their entries by magnitude [P, B + 2], and what heads send.

    Columns of `magnitudes` are those of `LayerGradientsSampled`. Of the gradient of the trunk's output, the
    part that each of the `LOSS_PARTS` sends: norms `trunk_norms` [9], and `cosines` [9, 9].
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
    """Reduce the parameters' gradients, and those that reach the output layer, whose weight is [42, H]."""
    return CollectedGradients(
        torch.stack(torch._foreach_norm(gradients)),
        torch.stack([_magnitudes(gradient, bounds) for gradient in gradients]),
        *_trunk_gradients(rows, weight, layout),
    )


def _magnitudes(gradient: Tensor, bounds: tuple[float, ...]) -> Tensor:
    """Entries below the first bound, from each bound to the next, from the last on, and not finite."""
    finite = gradient.isfinite()
    sizes = torch.where(finite, gradient.abs(), -1.0)
    reached = [finite.sum(), *((sizes >= bound).sum() for bound in bounds)]
    counts = torch.stack([*reached, torch.zeros_like(reached[0])])
    return torch.cat((counts[:-1] - counts[1:], (gradient.numel() - reached[0])[None]))


def _trunk_gradients(rows: RowGradients, weight: Tensor, layout: ActionLayout) -> tuple[Tensor, Tensor]:
    """Norms and cosines. A row sends d wᵀ into the trunk, so that two rows' product is (d·d')(w·w')."""
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


def gradient_events(
    update: int, names: tuple[str, ...], bounds: tuple[float, ...], collected: CollectedGradients
) -> Iterator[Event]:
    """What is told of gradients that lie on the host; `names` are those of the parameters."""
    yield LayerGradientsSampled(
        update=update,
        grad_norms=dict(zip(names, collected.layers.tolist(), strict=True)),
        magnitude_bounds=bounds,
        magnitudes={
            name: tuple(map(int, counts))
            for name, counts in zip(names, collected.magnitudes.tolist(), strict=True)
        },
    )
    norms, cosines = collected.trunk_norms.tolist(), collected.cosines.tolist()
    sending = [index for index, norm in enumerate(norms) if norm != 0]
    yield HeadGradientsCompared(
        update=update,
        heads=tuple(LOSS_PARTS[index] for index in sending),
        norms=tuple(norms[index] for index in sending),
        cosines=tuple(cosines[one][other] for one, other in combinations(sending, 2)),
    )
