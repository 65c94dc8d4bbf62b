"""Quantiles of the advantages and of the critic's errors of a rollout, over a sample of its steps."""

import torch
from torch import Tensor

from esper_trainer.measure.packed_metrics import MeasuredValue
from esper_trainer.ppo.batch import Targets

STEPS = 1024
"""At most this many steps are sorted: sorting all of a large rollout would be dear."""

SHARES = {"p10": 0.10, "p50": 0.50, "p90": 0.90, "p99": 0.99}


def error_quantiles(targets: Targets) -> dict[str, MeasuredValue]:
    """Quantiles of return - value, which is the advantage, and of its magnitude: the value error."""
    stride = -(-targets.alive.numel() // STEPS)
    errors, alive = (column.flatten()[::stride] for column in (targets.advantages, targets.alive))
    columns = torch.stack((errors, errors.abs()))
    found, measured = _quantiles(columns, alive), alive.any()
    return {
        f"{name}_{share}": MeasuredValue(found[row, place], measured)
        for row, name in enumerate(("advantage", "value_error"))
        for place, share in enumerate(SHARES)
    }


def _quantiles(columns: Tensor, alive: Tensor) -> Tensor:
    """Quantiles [C, 4] of columns [C, N] where alive [N] is 1, interpolated linearly; NaN if one is NaN."""
    valid = alive > 0
    ordered = columns.masked_fill(~valid, torch.inf).sort(dim=1).values
    last = (alive.sum() - 1.0).clamp_min(0.0)
    places = torch.stack([share * last for share in SHARES.values()])
    below, above = (ordered.index_select(1, index.long()) for index in (places.floor(), places.ceil()))
    between = torch.where(above == below, below, below + (above - below) * places.frac())
    broken = (columns.isnan() & valid).any(dim=1, keepdim=True)
    return torch.where(broken, torch.nan, between)
