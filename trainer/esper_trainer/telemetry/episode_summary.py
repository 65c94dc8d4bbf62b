"""What an episode is told by: a few numbers per environment, and one environment step by step."""

from typing import NamedTuple

import torch
from torch import Tensor

from esper_schemas.heads import Stage
from esper_trainer.ppo.rollout_collector import WATCHED, Episode

MOST_EPISODES = 16
"""From this many environments at most every single episode is told."""


class Story(NamedTuple):
    """What is copied to the host after an episode, in one piece.

    returns [N], undiscounted; stage_counts [7], slots of all environments at the end; accuracy [N];
    rollbacks 0-d, of all hosts.
    Of the first environments [n]: lengths, fossilized slots. Of the watched one: actions and
    log_probs [T, 8]; values, rewards, alive [T]; the fields of `SlotHistory` [T, 3].
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


def story(episode: Episode) -> Story:
    """Gather it on the device."""
    rollout, told = episode.rollout, slice(MOST_EPISODES)
    stages = torch.arange(len(Stage), device=episode.stage.device)
    return Story(
        returns=rollout.rewards.sum(0),
        accuracy=episode.accuracy,
        stage_counts=(episode.stage == stages[:, None, None]).sum((1, 2)),
        rollbacks=episode.rollbacks.sum(),
        lengths=rollout.alive[:, told].sum(0),
        fossilized=(episode.stage[:, told] == Stage.FOSSILIZED).sum(0),
        actions=rollout.actions[:, :, WATCHED],
        log_probs=rollout.log_probs[:, :, WATCHED],
        values=rollout.values[:, WATCHED],
        rewards=rollout.rewards[:, WATCHED],
        alive=rollout.alive[:, WATCHED],
        stage_before=episode.slots.before,
        stage_after=episode.slots.after,
        blueprint=episode.slots.blueprint,
        alpha=episode.slots.alpha,
        contribution=episode.slots.contribution,
        contribution_measured=episode.slots.measured,
    )
