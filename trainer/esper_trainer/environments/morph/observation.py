"""What the policy sees: 116 numbers per environment, 23 about the host and 31 about each slot.

`observation_table` says what each of them is.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from esper_schemas.heads import Op, Stage, Style
from esper_trainer.environments.morph.episode_state import ABSENT, Episode
from esper_trainer.environments.morph.observation_table import (
    EXPLODING_NORM,
    HOST,
    NUMBERS,
    SLOT,
    VANISHING_NORM,
)
from esper_trainer.environments.morph.seeds.alpha_controller import LONGEST_MOVE
from esper_trainer.environments.morph.seeds.lifecycle import Slots

HOST_FEATURES, SLOT_FEATURES = len(HOST), len(SLOT)
OBSERVATION_SIZE = len(NUMBERS)


class SeedFacts(NamedTuple):
    """What the observation tells of seeds that neither slots nor episode know; float32 [3, N].

    parameter_ratio: parameters of the seed over those of its host. rectified, attends: 0 or 1.
    gradient_norm: of the averaged gradient, before clipping. tempo_steps: of its first blend.
    """

    parameter_ratio: Tensor
    rectified: Tensor
    attends: Tensor
    gradient_norm: Tensor
    tempo_steps: Tensor


def symlog(value: Tensor) -> Tensor:
    """sign(x) * log(1 + |x|): the identity near 0, a logarithm far from it (Hafner et al. 2023)."""
    return torch.sign(value) * torch.log1p(value.abs())


def observe(episode: Episode, slots: Slots, facts: SeedFacts, horizon: int) -> Tensor:
    """The observation, float32 [N, 116]."""
    slot_rows = _slot_rows(episode, slots, facts, horizon).flatten(0, 1)
    return torch.cat([_host_rows(episode, slots, horizon), slot_rows]).T.contiguous()


def _host_rows(episode: Episode, slots: Slots, horizon: int) -> Tensor:
    stages = torch.arange(Stage.TRAINING, Stage.HOLDING + 1, device=slots.stage.device)
    shares = (slots.stage == stages[:, None, None]).float().mean(1)
    ops = torch.arange(len(Op), device=slots.stage.device)[:, None]
    losses = torch.where(episode.losses == ABSENT, ABSENT, symlog(episode.losses))
    now = torch.stack([episode.time / horizon, losses[-1], episode.accuracies[-1]])
    last = torch.cat([episode.legal[None], episode.op == ops]).float()
    return torch.cat([now, losses, episode.accuracies, shares, last])


def _slot_rows(episode: Episode, slots: Slots, facts: SeedFacts, horizon: int) -> Tensor:
    """The features of the slots, [3, 31, N]."""
    stages = torch.arange(len(Stage), device=slots.stage.device)[:, None]
    one_hot = (slots.stage[:, None] == stages).float()
    active = slots.active.float()[:, None]
    rows = [
        torch.log1p(facts.parameter_ratio),
        facts.rectified,
        facts.attends,
        slots.alpha.value,
        episode.contribution,
        episode.contribution_change,
        *_move_rows(slots, facts),
        episode.alpha_change,
        *_style_rows(slots),
        *_gradient_rows(slots, facts),
        slots.stage_age / horizon,
        episode.average_contribution,
        slots.age / horizon,
    ]
    return torch.cat([active, one_hot, torch.stack(rows, 1) * active], 1)


def _move_rows(slots: Slots, facts: SeedFacts) -> list[Tensor]:
    alpha = slots.alpha
    steps = [alpha.total, alpha.done, alpha.total - alpha.done]
    lengths = [length / LONGEST_MOVE for length in steps]
    return [facts.tempo_steps / LONGEST_MOVE, alpha.target, alpha.mode.float(), *lengths]


def _style_rows(slots: Slots) -> list[Tensor]:
    styles = (Style.LINEAR_MULTIPLY, Style.SIGMOID_ADD, Style.GATED_GATE)
    return [(slots.style == style).float() for style in styles]


def _gradient_rows(slots: Slots, facts: SeedFacts) -> list[Tensor]:
    norm = facts.gradient_norm
    vanishes = slots.learns & (norm < VANISHING_NORM)
    explodes = norm > EXPLODING_NORM
    healthy = ~(vanishes | explodes)
    return [symlog(norm), healthy.float(), vanishes.float(), explodes.float()]
