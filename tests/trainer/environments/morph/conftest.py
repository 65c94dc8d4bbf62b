"""Helpers for the environment's tests."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from esper_schemas.heads import HEADS, Op
from esper_trainer.environments.morph.environment import MorphEnvironment
from esper_trainer.environments.morph.presets import GATES, PRESETS

CPU = torch.device("cpu")


@pytest.fixture
def make_environment() -> Callable[..., MorphEnvironment]:
    """Make a small environment of the lite preset."""

    def make(
        environments: int = 4, seed: int = 0, preset: str = "lite", gates: str = "permissive"
    ) -> MorphEnvironment:
        size = replace(PRESETS[preset], gates=GATES[gates])
        return MorphEnvironment(environments, size, seed=seed, device=CPU)

    return make


@pytest.fixture
def action() -> Callable[..., Tensor]:
    """Make the same action for every environment: an op, and choices by head (0 if not given)."""

    def make(op: Op, environments: int = 4, **choices: int) -> Tensor:
        rows = {"op": int(op)} | {head: int(choice) for head, choice in choices.items()}
        column = torch.tensor([rows.get(head, 0) for head in HEADS])
        return column[:, None].expand(-1, environments).clone()

    return make
