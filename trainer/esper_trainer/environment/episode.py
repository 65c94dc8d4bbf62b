"""What an episode remembers besides weights and slots: the recent past that the policy sees."""

from typing import NamedTuple

import torch
from torch import Tensor

from esper_trainer.environment.lifecycle import Slots
from esper_trainer.environment.population import Evaluation

HISTORY = 5
"""How many past losses and accuracies are kept."""
ABSENT = -1.0
"""Stands for a past measurement that there is not; losses and accuracies are never negative."""
AVERAGE_WEIGHT = 0.2
"""The weight of the newest contribution in the running average."""
FATAL_LOSS = 20.0
"""A host whose validation loss reaches this, or is not a number, is dead until the next reset."""


class Episode(NamedTuple):
    """The state of one episode in every environment; every step makes a new one.

    time: int64 [N], steps taken. alive: bool [N].
    op: int64 [N], the last op that took effect. legal: bool [N], whether the last choice was.
    losses, accuracies: float32 [5, N], oldest first, ABSENT where there was none.
    contribution, contribution_change, average_contribution, alpha_change: float32 [3, N].
    """

    time: Tensor
    alive: Tensor
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
    return Episode(
        time=episode.time + 1,
        alive=episode.alive & (evaluation.loss < FATAL_LOSS),
        op=op,
        legal=legal,
        losses=torch.cat([episode.losses[1:], evaluation.loss[None]]),
        accuracies=torch.cat([episode.accuracies[1:], evaluation.accuracy[None]]),
        contribution=contribution,
        contribution_change=contribution - episode.contribution,
        average_contribution=average * after.active,
        alpha_change=after.alpha.value - before.alpha.value,
    )
