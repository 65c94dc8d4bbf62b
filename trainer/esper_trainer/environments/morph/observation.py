"""The observation of the policy: 116 features per environment, 23 of the host and 31 of each slot.

`observation_table` describes each of them.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from esper_schemas.heads import Op, Stage, Style
from esper_trainer.environments.morph.episode_state import ABSENT, EpisodeState
from esper_trainer.environments.morph.observation_table import (
    EXPLODING_NORM,
    HOST,
    OBSERVATION_FEATURES,
    SLOT,
    VANISHING_NORM,
)
from esper_trainer.environments.morph.seeds.alpha_controller import LONGEST_MOVE
from esper_trainer.environments.morph.seeds.lifecycle import Slots

HOST_SIZE, SLOT_SIZE = len(HOST), len(SLOT)
OBSERVATION_SIZE = len(OBSERVATION_FEATURES)


class SeedFeatures(NamedTuple):
    """Features of the seeds that are in neither slots nor episode; float32 [3, N].

    parameter_ratio: parameters of the seed over those of its host. rectified, attends: 0 or 1. gradient_norm:
    norm of the averaged gradient before clipping. tempo_steps: length of the first blend.
    """

    parameter_ratio: Tensor
    rectified: Tensor
    attends: Tensor
    gradient_norm: Tensor
    tempo_steps: Tensor


def symlog(value: Tensor) -> Tensor:
    """sign(x) * log(1 + |x|): linear near 0, logarithmic far from it (Hafner et al. 2023)."""
    return torch.sign(value) * torch.log1p(value.abs())


def observe(episode: EpisodeState, slots: Slots, features: SeedFeatures, horizon: int) -> Tensor:
    """Build the observation, float32 [N, 116]."""
    slot_rows = _slot_rows(episode, slots, features, horizon).flatten(0, 1)
    return torch.cat([_host_rows(episode, slots, horizon), slot_rows]).T.contiguous()


def _host_rows(episode: EpisodeState, slots: Slots, horizon: int) -> Tensor:
    stages = torch.arange(Stage.TRAINING, Stage.HOLDING + 1, device=slots.stage.device)
    shares = (slots.stage == stages[:, None, None]).float().mean(1)
    ops = torch.arange(len(Op), device=slots.stage.device)[:, None]
    losses = torch.where(episode.losses == ABSENT, ABSENT, symlog(episode.losses))
    current = torch.stack([episode.time / horizon, losses[-1], episode.accuracies[-1]])
    last = torch.cat([episode.legal[None], episode.op == ops]).float()
    return torch.cat([current, losses, episode.accuracies, shares, last])


def _slot_rows(episode: EpisodeState, slots: Slots, features: SeedFeatures, horizon: int) -> Tensor:
    """The features of the slots, float32 [3, 31, N]."""
    stages = torch.arange(len(Stage), device=slots.stage.device)[:, None]
    one_hot = (slots.stage[:, None] == stages).float()
    active = slots.active.float()[:, None]
    rows = [
        torch.log1p(features.parameter_ratio),
        features.rectified,
        features.attends,
        slots.alpha.value,
        episode.contribution,
        episode.contribution_change,
        *_move_rows(slots, features),
        episode.alpha_change,
        *_style_rows(slots),
        *_gradient_rows(slots, features),
        slots.stage_age / horizon,
        episode.average_contribution,
        slots.age / horizon,
    ]
    return torch.cat([active, one_hot, torch.stack(rows, 1) * active], 1)


def _move_rows(slots: Slots, features: SeedFeatures) -> list[Tensor]:
    alpha = slots.alpha
    steps = [alpha.duration, alpha.elapsed, alpha.duration - alpha.elapsed]
    lengths = [length / LONGEST_MOVE for length in steps]
    return [features.tempo_steps / LONGEST_MOVE, alpha.target, alpha.mode.float(), *lengths]


def _style_rows(slots: Slots) -> list[Tensor]:
    styles = (Style.LINEAR_MULTIPLY, Style.SIGMOID_ADD, Style.GATED_GATE)
    return [(slots.style == style).float() for style in styles]


def _gradient_rows(slots: Slots, features: SeedFeatures) -> list[Tensor]:
    norm = features.gradient_norm
    vanishes = slots.is_learning & (norm < VANISHING_NORM)
    explodes = norm > EXPLODING_NORM
    healthy = ~(vanishes | explodes)
    return [symlog(norm), healthy.float(), vanishes.float(), explodes.float()]
