"""PopArt (van Hasselt et al. 2016): the critic learns returns of mean 0 and deviation 1.

Mean and deviation follow the returns, and with every move of theirs the critic's last layer is changed
so that its values, in units of return, stay what they were.
"""

import torch
from torch import Tensor

from esper_trainer.model.action_layout import VALUE_ROW
from esper_trainer.model.policy import Tamiyo
from esper_trainer.ppo.batch import Moments

UPDATE_RATE = 0.1
"""How far mean and deviation move towards those of the newest rollout."""

MIN_STD = 1e-2
"""Returns that vary less are not blown up."""


@torch.no_grad()
def update_normalisation(policy: Tamiyo, returns: Moments) -> None:
    """Move the scale of the critic towards `returns`; its values stay. What is not finite moves nothing."""
    mean, std = policy.value_mean.clone(), policy.value_std.clone()
    finite = returns.mean.isfinite() & returns.std.isfinite()
    _move(policy.value_mean, returns.mean, finite)
    _move(policy.value_std, returns.std.clamp_min(MIN_STD), finite)
    weight, bias = policy.output.weight[VALUE_ROW], policy.output.bias[VALUE_ROW]
    weight.mul_(std / policy.value_std)
    bias.copy_((bias * std + mean - policy.value_mean) / policy.value_std)


def _move(value: Tensor, towards: Tensor, where: Tensor) -> None:
    value.copy_(torch.where(where, value.lerp(towards, UPDATE_RATE), value))
