"""Rollback of hosts whose loss explodes or is not finite.

Such a host is suspended: its steps do not count, and only WAIT is legal. Then, one host per step, it gets
back the weights of its restore point, and its seeds that were not fossilised by then are embargoed. All
decisions are tensors, so that nothing is read on the host: each step saves some of the hosts and restores
one, whether or not there is one to restore.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from esper_schemas.heads import Stage
from esper_trainer.environments.morph.episode_state import EpisodeState
from esper_trainer.environments.morph.networks.host_population import HostPopulation
from esper_trainer.environments.morph.seeds.alpha_controller import AlphaState, idle
from esper_trainer.environments.morph.seeds.lifecycle import Slots

SAVE_INTERVAL = 8
"""Steps between two restore points of the same host."""


class RestorePoint(NamedTuple):
    """What is saved of every host besides its weights: loss, accuracy [N]; fossil bool [3, N]."""

    loss: Tensor
    accuracy: Tensor
    fossil: Tensor


def begin(episode: EpisodeState, slots: Slots) -> RestorePoint:
    """The restore point of the present state."""
    return RestorePoint(episode.losses[-1], episode.accuracies[-1], slots.stage == Stage.FOSSILIZED)


def save(
    restore_point: RestorePoint, population: HostPopulation, episode: EpisodeState, slots: Slots
) -> RestorePoint:
    """Save the hosts that are scheduled in this step, if they are healthy."""
    current, healthy = begin(episode, slots), episode.alive & (episode.explosions == 0)
    index = _scheduled_hosts(episode)
    population.save_weights(index, healthy)
    saved = torch.zeros_like(healthy).index_fill_(0, index, value=True) & healthy
    return RestorePoint(
        *(torch.where(saved, new, old) for new, old in zip(current, restore_point, strict=True))
    )


def _scheduled_hosts(episode: EpisodeState) -> Tensor:
    """The indices of an eighth of the hosts; some repeat if their number is not a multiple of the
    interval."""
    count = len(episode.time)
    start = torch.arange(0, count, SAVE_INTERVAL, device=episode.time.device)
    return (start + episode.time[: len(start)] % SAVE_INTERVAL).clamp_max(count - 1)


def restore(
    restore_point: RestorePoint,
    population: HostPopulation,
    suspended: Tensor,
    episode: EpisodeState,
    slots: Slots,
) -> tuple[EpisodeState, Slots]:
    """Roll back the first environment that is `suspended` (bool [N]), if there is one."""
    index = suspended.float().argmax()
    population.restore_weights(index[None], suspended)
    here = suspended & (torch.arange(len(suspended), device=index.device) == index)
    return _restored_episode(episode, restore_point, here), _embargoed(slots, here & ~restore_point.fossil)


def _restored_episode(episode: EpisodeState, restore_point: RestorePoint, where: Tensor) -> EpisodeState:
    """The episode, continued from the restore point; the change of accuracy back to it is not rewarded."""
    measured = zip((episode.losses, episode.accuracies), restore_point[:2], strict=True)
    losses, accuracies = (
        torch.cat([previous[:-1], torch.where(where, old, previous[-1:])]) for previous, old in measured
    )
    return episode._replace(
        alive=episode.alive | where,
        explosions=episode.explosions.masked_fill(where, 0),
        rollbacks=episode.rollbacks + where,
        losses=losses,
        accuracies=accuracies,
    )


def _embargoed(slots: Slots, where: Tensor) -> Slots:
    """Remove the seeds where `where` (bool [3, N]) is True."""
    removed = where & slots.active
    initial = idle(removed.shape[0], removed.shape[1], removed.device)
    return slots._replace(
        stage=slots.stage.masked_fill(removed, int(Stage.EMBARGOED)),
        stage_age=slots.stage_age.masked_fill(removed, 0),
        alpha=AlphaState(
            *(torch.where(removed, new, old) for new, old in zip(initial, slots.alpha, strict=True))
        ),
    )
