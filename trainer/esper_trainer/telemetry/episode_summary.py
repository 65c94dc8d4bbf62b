"""The summary of a rollout's episodes: some numbers per environment, and every step of one environment."""

from typing import NamedTuple

import torch
from torch import Tensor

from esper_schemas.heads import Stage
from esper_trainer.ppo.rollout_collector import TRACED_ENVIRONMENT, CollectedRollout

MAX_EPISODES = 16
"""Maximum number of environments whose episodes are reported individually."""


class EpisodeSummary(NamedTuple):
    """The numbers that are copied to the host after a rollout, in one piece.

    returns [N], undiscounted; accuracy [N]; stage_counts [7], slots of all environments at the end; rollbacks
    0-d, of all hosts.
    Of the first environments [n]: lengths, fossilized slots.
    Of the traced environment: actions and log_probs [T, 8]; values, rewards, alive [T]; the fields of
    `SlotHistory` [T, 3].
    """

    returns: Tensor
    accuracy: Tensor
    stage_counts: Tensor
    rollbacks: Tensor
    lengths: Tensor
    fossilized: Tensor
    actions: Tensor
    log_probs: Tensor
    values: Tensor
    rewards: Tensor
    alive: Tensor
    stage_before: Tensor
    stage_after: Tensor
    blueprint: Tensor
    alpha: Tensor
    contribution: Tensor
    contribution_measured: Tensor


def episode_summary(collected: CollectedRollout) -> EpisodeSummary:
    """Compute the summary on the device."""
    rollout, reported = collected.transitions, slice(MAX_EPISODES)
    stages = torch.arange(len(Stage), device=collected.stage.device)
    return EpisodeSummary(
        returns=rollout.rewards.sum(0),
        accuracy=collected.accuracy,
        stage_counts=(collected.stage == stages[:, None, None]).sum((1, 2)),
        rollbacks=collected.rollbacks.sum(),
        lengths=rollout.alive[:, reported].sum(0),
        fossilized=(collected.stage[:, reported] == Stage.FOSSILIZED).sum(0),
        actions=rollout.actions[:, :, TRACED_ENVIRONMENT],
        log_probs=rollout.log_probs[:, :, TRACED_ENVIRONMENT],
        values=rollout.values[:, TRACED_ENVIRONMENT],
        rewards=rollout.rewards[:, TRACED_ENVIRONMENT],
        alive=rollout.alive[:, TRACED_ENVIRONMENT],
        stage_before=collected.slots.before,
        stage_after=collected.slots.after,
        blueprint=collected.slots.blueprint,
        alpha=collected.slots.alpha,
        contribution=collected.slots.contribution,
        contribution_measured=collected.slots.measured,
    )
