"""The state of an episode besides weights and slots: the recent history that the policy observes."""

from typing import NamedTuple

import torch
from torch import Tensor

from esper_trainer.environments.morph.networks.host_population import WORST_LOSS, HostEvaluation
from esper_trainer.environments.morph.observation_table import HISTORY
from esper_trainer.environments.morph.seeds.lifecycle import Slots

ABSENT = -1.0
"""Marks a missing measurement in a history; losses and accuracies are never negative."""
AVERAGE_WEIGHT = 0.2
"""The weight of the newest contribution in the running average."""
EXPLOSION_LOSS = 12.0
"""A loss explodes if it exceeds this many nats and `EXPLOSION_FACTOR` times the baseline loss."""
EXPLOSION_FACTOR = 3.0
MAX_CONSECUTIVE_EXPLOSIONS = 3
"""A host is suspended after this many exploding losses in a row; at once if its loss is not finite."""
BASELINE_WEIGHT = 0.1
"""The weight of the newest loss in the baseline loss, which excludes exploding losses."""


class EpisodeState(NamedTuple):
    """The state of one episode in every environment; every step makes a new one.

    time: int64 [N], steps taken. alive: bool [N], False while the host is suspended.
    baseline_loss: float32 [N]; explosions: int64 [N], in a row; rollbacks: int64 [N], in this episode.
    op: int64 [N], the last op that took effect. legal: bool [N], whether the last action was legal.
    losses, accuracies: float32 [5, N], oldest first, `ABSENT` where there was none.
    contribution, contribution_change, average_contribution, alpha_change: float32 [3, N].
    """

    time: Tensor
    alive: Tensor
    baseline_loss: Tensor
    explosions: Tensor
    rollbacks: Tensor
    op: Tensor
    legal: Tensor
    losses: Tensor
    accuracies: Tensor
    contribution: Tensor
    contribution_change: Tensor
    average_contribution: Tensor
    alpha_change: Tensor


def begin(evaluation: HostEvaluation) -> EpisodeState:
    """The state before the first step, from an evaluation of the initial hosts."""
    absent = torch.full_like(evaluation.loss, ABSENT).expand(HISTORY - 1, -1)
    counts = torch.zeros_like(evaluation.loss, dtype=torch.int64)
    everywhere = torch.ones_like(evaluation.loss, dtype=torch.bool)
    zeros = torch.zeros_like(evaluation.contribution)
    return EpisodeState(
        time=counts,
        alive=everywhere,
        baseline_loss=evaluation.loss,
        explosions=counts,
        rollbacks=counts,
        op=counts,
        legal=everywhere,
        losses=torch.cat([absent, evaluation.loss[None]]),
        accuracies=torch.cat([absent, evaluation.accuracy[None]]),
        contribution=zeros,
        contribution_change=zeros,
        average_contribution=zeros,
        alpha_change=zeros,
    )


def advance(
    episode: EpisodeState,
    evaluation: HostEvaluation,
    op: Tensor,
    legal: Tensor,
    slots: tuple[Slots, Slots],
) -> EpisodeState:
    """The state after a step that changed `slots` from the first to the second element of the pair."""
    before, after = slots
    contribution = evaluation.contribution
    average = episode.average_contribution.lerp(contribution, AVERAGE_WEIGHT)
    baseline, explosions = _update_baseline_loss(evaluation.loss, episode)
    fatal = (explosions >= MAX_CONSECUTIVE_EXPLOSIONS) | (evaluation.loss >= WORST_LOSS)
    return EpisodeState(
        time=episode.time + 1,
        alive=episode.alive & ~fatal,
        baseline_loss=baseline,
        explosions=explosions,
        rollbacks=episode.rollbacks,
        op=op,
        legal=legal,
        losses=torch.cat([episode.losses[1:], evaluation.loss[None]]),
        accuracies=torch.cat([episode.accuracies[1:], evaluation.accuracy[None]]),
        contribution=contribution,
        contribution_change=contribution - episode.contribution,
        average_contribution=average * after.active,
        alpha_change=after.alpha.value - before.alpha.value,
    )


def _update_baseline_loss(loss: Tensor, episode: EpisodeState) -> tuple[Tensor, Tensor]:
    """The baseline loss and the number of consecutive explosions after one more loss."""
    explodes = (loss > EXPLOSION_LOSS) & (loss > EXPLOSION_FACTOR * episode.baseline_loss)
    baseline = torch.where(explodes, episode.baseline_loss, episode.baseline_loss.lerp(loss, BASELINE_WEIGHT))
    return baseline, torch.where(explodes, episode.explosions + 1, 0)
