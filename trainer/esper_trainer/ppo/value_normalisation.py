"""PopArt (van Hasselt et al. 2016): the critic learns returns of mean 0 and standard deviation 1.

Mean and standard deviation follow the returns; whenever they change, the critic's last layer is adjusted so
that its values, in units of return, are preserved.
"""

import torch
from torch import Tensor

from esper_trainer.model.action_layout import VALUE_ROW
from esper_trainer.model.policy import Tamiyo
from esper_trainer.ppo.batch import Moments

UPDATE_RATE = 0.1
"""How far mean and standard deviation move towards those of the newest rollout."""

MIN_STD = 1e-2
"""Lower bound of the standard deviation, so that nearly constant returns are not amplified."""


@torch.no_grad()
def update_normalisation(policy: Tamiyo, returns: Moments) -> None:
    """Update the critic's scale from `returns`, preserving its values; moments that are not finite are
    ignored."""
    mean, std = policy.value_mean.clone(), policy.value_std.clone()
    finite = returns.mean.isfinite() & returns.std.isfinite()
    _move(policy.value_mean, returns.mean, finite)
    _move(policy.value_std, returns.std.clamp_min(MIN_STD), finite)
    weight, bias = policy.output.weight[VALUE_ROW], policy.output.bias[VALUE_ROW]
    weight.mul_(std / policy.value_std)
    bias.copy_((bias * std + mean - policy.value_mean) / policy.value_std)


def _move(value: Tensor, towards: Tensor, where: Tensor) -> None:
    value.copy_(torch.where(where, value.lerp(towards, UPDATE_RATE), value))
