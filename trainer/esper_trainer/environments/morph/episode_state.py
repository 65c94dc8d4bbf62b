"""What an episode remembers besides weights and slots: the recent past that the policy sees."""

from typing import NamedTuple

import torch
from torch import Tensor

from esper_trainer.environments.morph.networks.host_population import WORST_LOSS, Evaluation
from esper_trainer.environments.morph.observation_table import HISTORY
from esper_trainer.environments.morph.seeds.lifecycle import Slots

ABSENT = -1.0
"""Stands for a past measurement that there is not; losses and accuracies are never negative."""
AVERAGE_WEIGHT = 0.2
"""The weight of the newest contribution in the running average."""
PANIC_LOSS = 12.0
"""A validation loss beyond this, in nats, and beyond `PANIC_FACTOR` times the usual one, is a panic."""
PANIC_FACTOR = 3.0
FATAL_PANICS = 3
"""After so many panics in a row a host is suspended; at once if its loss is no number."""
USUAL_WEIGHT = 0.1
"""The weight of the newest loss in the usual one, which panics are no part of."""


class Episode(NamedTuple):
    """The state of one episode in every environment; every step makes a new one.

    time: int64 [N], steps taken. alive: bool [N], False while the host is suspended.
    usual_loss: float32 [N]; panics: int64 [N], in a row; rollbacks: int64 [N], in this episode.
    op: int64 [N], the last op that took effect. legal: bool [N], whether the last choice was.
    losses, accuracies: float32 [5, N], oldest first, ABSENT where there was none.
    contribution, contribution_change, average_contribution, alpha_change: float32 [3, N].
    """

    time: Tensor
    alive: Tensor
    usual_loss: Tensor
    panics: Tensor
    rollbacks: Tensor
    op: Tensor
    legal: Tensor
    losses: Tensor
    accuracies: Tensor
    contribution: Tensor
    contribution_change: Tensor
    average_contribution: Tensor
    alpha_change: Tensor


def begin(evaluation: Evaluation) -> Episode:
    """The state before the first step, with the hosts measured as they were drawn."""
    absent = torch.full_like(evaluation.loss, ABSENT).expand(HISTORY - 1, -1)
    counts = torch.zeros_like(evaluation.loss, dtype=torch.int64)
    everyone = torch.ones_like(evaluation.loss, dtype=torch.bool)
    nothing = torch.zeros_like(evaluation.contribution)
    return Episode(
        time=counts,
        alive=everyone,
        usual_loss=evaluation.loss,
        panics=counts,
        rollbacks=counts,
        op=counts,
        legal=everyone,
        losses=torch.cat([absent, evaluation.loss[None]]),
        accuracies=torch.cat([absent, evaluation.accuracy[None]]),
        contribution=nothing,
        contribution_change=nothing,
        average_contribution=nothing,
        alpha_change=nothing,
    )


def advance(
    episode: Episode,
    evaluation: Evaluation,
    op: Tensor,
    legal: Tensor,
    slots: tuple[Slots, Slots],
) -> Episode:
    """The state after a step that took `slots` from the first to the second of the pair."""
    before, after = slots
    contribution = evaluation.contribution
    average = episode.average_contribution.lerp(contribution, AVERAGE_WEIGHT)
    usual, panics = _judge(evaluation.loss, episode)
    fatal = (panics >= FATAL_PANICS) | (evaluation.loss >= WORST_LOSS)
    return Episode(
        time=episode.time + 1,
        alive=episode.alive & ~fatal,
        usual_loss=usual,
        panics=panics,
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


def _judge(loss: Tensor, episode: Episode) -> tuple[Tensor, Tensor]:
    """The usual loss and the panics in a row, after one more loss."""
    explodes = (loss > PANIC_LOSS) & (loss > PANIC_FACTOR * episode.usual_loss)
    usual = torch.where(explodes, episode.usual_loss, episode.usual_loss.lerp(loss, USUAL_WEIGHT))
    return usual, torch.where(explodes, episode.panics + 1, 0)
