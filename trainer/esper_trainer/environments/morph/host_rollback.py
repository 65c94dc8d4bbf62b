"""The governor: a watchdog over every host, which is rolled back when its loss explodes or is no number.

A host that panics is suspended: its steps do not count, and it may only wait. Then, one host per step, it
gets back the weights that it was last saved with, and the seeds that were not fossilised by then go into
embargo. Everything is decided by tensors, so that the host of the device never has to look: each step
saves a part of the hosts and restores one, whether or not there is one to restore.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from esper_schemas.heads import Stage
from esper_trainer.environments.morph.episode_state import Episode
from esper_trainer.environments.morph.networks.host_population import Population
from esper_trainer.environments.morph.seeds.alpha_controller import Alpha, at_rest
from esper_trainer.environments.morph.seeds.lifecycle import Slots

SAVED_EVERY = 8
"""Every host is saved once in so many steps."""


class Saved(NamedTuple):
    """What is remembered of every host beside its weights: loss, accuracy [N]; fossil bool [3, N]."""

    loss: Tensor
    accuracy: Tensor
    fossil: Tensor


def begin(episode: Episode, slots: Slots) -> Saved:
    """What is remembered of hosts that have just been drawn."""
    return Saved(episode.losses[-1], episode.accuracies[-1], slots.stage == Stage.FOSSILIZED)


def save(saved: Saved, population: Population, episode: Episode, slots: Slots) -> Saved:
    """Save those whose turn it is, if they are well."""
    now, well = begin(episode, slots), episode.alive & (episode.panics == 0)
    index = _whose_turn(episode)
    population.save(index, well)
    turn = torch.zeros_like(well).index_fill_(0, index, value=True) & well
    return Saved(*(torch.where(turn, new, old) for new, old in zip(now, saved, strict=True)))


def _whose_turn(episode: Episode) -> Tensor:
    """The indices of an eighth of the environments; some more than once if their number is no multiple."""
    count = len(episode.time)
    start = torch.arange(0, count, SAVED_EVERY, device=episode.time.device)
    return (start + episode.time[: len(start)] % SAVED_EVERY).clamp_max(count - 1)


def restore(
    saved: Saved, population: Population, suspended: Tensor, episode: Episode, slots: Slots
) -> tuple[Episode, Slots]:
    """Roll back the first environment that is `suspended` (bool [N]), if there is one."""
    index = suspended.float().argmax()
    population.restore(index[None], suspended)
    here = suspended & (torch.arange(len(suspended), device=index.device) == index)
    return _revived(episode, saved, here), _pruned(slots, here & ~saved.fossil)


def _revived(episode: Episode, saved: Saved, where: Tensor) -> Episode:
    """An episode that goes on from what was saved; the way back is neither paid nor charged."""
    measured = zip((episode.losses, episode.accuracies), saved[:2], strict=True)
    losses, accuracies = (
        torch.cat([past[:-1], torch.where(where, old, past[-1:])]) for past, old in measured
    )
    return episode._replace(
        alive=episode.alive | where,
        panics=episode.panics.masked_fill(where, 0),
        rollbacks=episode.rollbacks + where,
        losses=losses,
        accuracies=accuracies,
    )


def _pruned(slots: Slots, where: Tensor) -> Slots:
    """Slots whose seeds are gone where `where` (bool [3, N]) and one lived there."""
    gone = where & slots.active
    rest = at_rest(gone.shape[0], gone.shape[1], gone.device)
    return slots._replace(
        stage=slots.stage.masked_fill(gone, int(Stage.EMBARGOED)),
        stage_age=slots.stage_age.masked_fill(gone, 0),
        alpha=Alpha(*(torch.where(gone, new, old) for new, old in zip(rest, slots.alpha, strict=True))),
    )
