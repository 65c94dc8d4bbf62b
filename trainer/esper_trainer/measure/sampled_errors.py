"""Quantiles of returns, advantages and the critic's errors of a rollout, over a sample of its steps.

The device selects the sample, which is sorted on the host: sorting takes a dozen operations on the device.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from esper_trainer.measure.packed_metrics import MeasuredValue
from esper_trainer.ppo.batch import Targets

STEPS = 1024
"""At most this many steps are sorted: sorting all of a large rollout would be dear."""

SHARES = {"p10": 0.10, "p50": 0.50, "p90": 0.90, "p99": 0.99}


class StepSample(NamedTuple):
    """Returns, advantages (return - value) and alive of some steps of a rollout, [N] each."""

    returns: Tensor
    advantages: Tensor
    alive: Tensor


def step_sample(targets: Targets) -> StepSample:
    """Steps at equal distances."""
    stride = -(-targets.alive.numel() // STEPS)
    columns = (targets.returns, targets.advantages, targets.alive)
    return StepSample(*(column.flatten()[::stride] for column in columns))


def sample_quantiles(sample: StepSample) -> dict[str, MeasuredValue]:
    """Quantiles of returns and advantages, and of the magnitude of the latter: the value error."""
    columns = torch.stack((sample.returns, sample.advantages, sample.advantages.abs()))
    found, measured = _quantiles(columns, sample.alive), sample.alive.any()
    values = {
        f"{name}_{share}": MeasuredValue(found[row, place], measured)
        for row, name in enumerate(("return", "advantage", "value_error"))
        for place, share in enumerate(SHARES)
    }
    del values["return_p99"]  # not a metric
    return values


def _quantiles(columns: Tensor, alive: Tensor) -> Tensor:
    """Quantiles [C, 4] of columns [C, N] where alive [N] is 1, interpolated linearly; NaN if one is NaN."""
    valid = alive > 0
    ordered = columns.masked_fill(~valid, torch.inf).sort(dim=1).values
    last = (alive.sum() - 1.0).clamp_min(0.0)
    places = last * torch.tensor(list(SHARES.values()))
    below, above = (ordered.index_select(1, index.long()) for index in (places.floor(), places.ceil()))
    between = torch.where(above == below, below, below + (above - below) * places.frac())
    broken = (columns.isnan() & valid).any(dim=1, keepdim=True)
    return torch.where(broken, torch.nan, between)
