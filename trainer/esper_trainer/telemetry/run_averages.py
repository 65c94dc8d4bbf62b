"""The main numbers of an update as means over all processes: those of the run, for its printed lines.

Every process has the same number of environments, so that these are the means that the aggregator shows.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from esper_trainer.measure.measurements import packed_losses
from esper_trainer.ranks.process_group import ProcessGroup
from esper_trainer.telemetry.episode_summary import EpisodeSummary


class RunAverages(NamedTuple):
    """Means over the processes of a run."""

    mean_return: float
    mean_accuracy: float
    policy_loss: float
    value_loss: float
    baseline_return: float


def average_over_processes(
    packed: Tensor,
    summary: EpisodeSummary,
    baseline_return: float,
    group: ProcessGroup,
) -> Tensor:
    """The values of `RunAverages` [5], on the device; every process has to call this after each update.

    packed: the measurements of this process, of which the losses are part.
    """
    losses = packed_losses(packed)
    own = torch.stack(
        (
            summary.returns.mean(),
            summary.accuracy.mean(),
            losses.policy,
            losses.value,
            torch.full_like(losses.policy, baseline_return),
        )
    )
    return group.sum_(own) / group.world_size
