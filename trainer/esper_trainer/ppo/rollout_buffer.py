"""The rollout buffer: one episode of every environment, time-major, on the device."""

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from esper_schemas.heads import HEAD_SIZES
from esper_trainer.model.action_layout import HEAD_COUNT


class Transitions(NamedTuple):
    """One step of N environments; a whole rollout has a leading dimension T.

    observations [N, O]; ops bool [6, N] and slots bool [3, N], the legal ones; actions int64 [8, N];
    log_probs [8, N]; values, rewards [N]; alive bool [N], True where the step is valid.
    """

    observations: Tensor
    ops: Tensor
    slots: Tensor
    actions: Tensor
    log_probs: Tensor
    values: Tensor
    rewards: Tensor
    alive: Tensor


def empty_transitions(
    horizon: int, environments: int, observation_size: int, device: torch.device
) -> Transitions:
    """Allocate the buffer of a rollout; every rollout overwrites it."""

    def column(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
        return torch.zeros(horizon, *shape, dtype=dtype, device=device)

    return Transitions(
        observations=column(environments, observation_size),
        ops=column(HEAD_SIZES["op"], environments, dtype=torch.bool),
        slots=column(HEAD_SIZES["slot"], environments, dtype=torch.bool),
        actions=column(HEAD_COUNT, environments, dtype=torch.int64),
        log_probs=column(HEAD_COUNT, environments),
        values=column(environments),
        rewards=column(environments),
        alive=column(environments, dtype=torch.bool),
    )


def store(columns: Iterable[Tensor], step: Tensor, values: Iterable[Tensor]) -> None:
    """Write the values of one step, int64 [1] on the device, into columns [T, ...]."""
    for column, value in zip(columns, values, strict=True):
        column.index_copy_(0, step, value.unsqueeze(0))


def kept_transitions(transitions: Transitions) -> Transitions:
    """The transitions until their update has been evaluated.

    On the CPU that is before the next rollout overwrites the buffer; a device may be behind the host, so
    that there it is a copy.
    """
    if not transitions.rewards.is_cuda:
        return transitions
    return Transitions(*(column.clone() for column in transitions))
