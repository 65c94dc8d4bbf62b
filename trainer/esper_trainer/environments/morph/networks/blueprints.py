"""Thirteen blueprints as structure masks over the seed block.

The block has an inner matrix (rows: hidden units, token scores and a gate; columns: features) and an outer
matrix (rows: features; columns: hidden units). A blueprint defines which entries exist, whether the hidden
units are rectified, and whether the block attends over its tokens. Choosing a blueprint is then an index, and
every shape is static.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from esper_schemas.heads import Blueprint
from esper_trainer.environments.morph.networks.digits import CHANNELS, FEATURES, TOKENS

INNER_ROWS = FEATURES + TOKENS + 1
"""Rows of the inner matrix: 32 hidden units, 8 token scores, 1 gate."""
HIDDEN = slice(0, FEATURES)
SCORES = slice(FEATURES, FEATURES + TOKENS)
GATE = slice(FEATURES + TOKENS, INNER_ROWS)
_LINEAR_FLOOR = -1e30

_token = torch.arange(FEATURES) // CHANNELS
_channel = torch.arange(FEATURES) % CHANNELS


def _no_entries() -> Tensor:
    return torch.zeros(FEATURES, FEATURES, dtype=torch.bool)


def _all_entries() -> Tensor:
    return torch.ones(FEATURES, FEATURES, dtype=torch.bool)


def _diagonal() -> Tensor:
    return torch.eye(FEATURES, dtype=torch.bool)


def _band(radius: int) -> Tensor:
    """Connect tokens that are at most `radius` apart, as a one-dimensional convolution does."""
    return (_token[:, None] - _token).abs() <= radius


def _same_channel() -> Tensor:
    return _channel[:, None] == _channel


def _hidden_units(count: int) -> Tensor:
    """Keep the first `count` hidden units as rows, each of which sees every feature."""
    return (torch.arange(FEATURES) < count)[:, None].expand(FEATURES, FEATURES)


def _no_scores() -> Tensor:
    return torch.zeros(TOKENS, FEATURES, dtype=torch.bool)


def _own_scores() -> Tensor:
    """The score of a token sees the channels of that token only."""
    return torch.arange(TOKENS)[:, None] == _token


def _all_scores() -> Tensor:
    return torch.ones(TOKENS, FEATURES, dtype=torch.bool)


@dataclass(frozen=True)
class _Structure:
    """The entries of the block that a blueprint has; masks are bool [rows, columns]."""

    inner: Tensor
    outer: Tensor
    scores: Tensor
    rectified: bool = True
    attends: bool = False


def _plain(inner: Tensor, outer: Tensor, *, rectified: bool = True) -> _Structure:
    return _Structure(inner, outer, _no_scores(), rectified)


def _low_rank(units: int, *, rectified: bool) -> _Structure:
    return _plain(_hidden_units(units), _hidden_units(units).T, rectified=rectified)


def _structures() -> dict[Blueprint, _Structure]:
    return {
        Blueprint.NOOP: _plain(_no_entries(), _no_entries()),
        Blueprint.CONV_LIGHT: _plain(_band(1), _band(0)),
        Blueprint.ATTENTION: _Structure(_no_entries(), _band(0), _own_scores(), attends=True),
        Blueprint.NORM: _plain(_diagonal(), _diagonal(), rectified=False),
        Blueprint.DEPTHWISE: _plain(_band(1) & _same_channel(), _band(0)),
        Blueprint.BOTTLENECK: _low_rank(4, rectified=True),
        Blueprint.CONV_SMALL: _plain(_band(1), _diagonal()),
        Blueprint.CONV_HEAVY: _plain(_band(2), _band(2)),
        Blueprint.LORA: _low_rank(2, rectified=False),
        Blueprint.LORA_LARGE: _low_rank(8, rectified=False),
        Blueprint.MLP_SMALL: _low_rank(8, rectified=True),
        Blueprint.MLP: _plain(_all_entries(), _all_entries()),
        Blueprint.FLEX_ATTENTION: _Structure(_band(0), _all_entries(), _all_scores(), attends=True),
    }


class BlueprintTables(NamedTuple):
    """The properties of each blueprint on one device; the first dimension is `Blueprint`.

    inner_mask: float32 [13, 41, 32], 1 where the entry exists. The row of the gate always exists: it
        belongs to the blending style and does not count as a parameter.
    outer_mask: float32 [13, 32, 32].
    inner_scale: float32 [13, 41, 32], half-width of the uniform distribution of the initial entry:
        sqrt(3 / fan-in), and 0 for scores and gate.
    floor: float32 [13], lower bound of the hidden units: 0 if they are rectified, else far below any value.
    attends: float32 [13], 1 if the block attends over its tokens.
    parameters: float32 [13], the number of trainable entries.
    """

    inner_mask: Tensor
    outer_mask: Tensor
    inner_scale: Tensor
    floor: Tensor
    attends: Tensor
    parameters: Tensor


def build(device: torch.device) -> BlueprintTables:
    """Build the tables of all blueprints, in the order of `Blueprint`."""
    structures = _structures()
    ordered = [structures[blueprint] for blueprint in Blueprint]
    hidden = torch.stack([structure.inner for structure in ordered]).float()
    scores = torch.stack([structure.scores for structure in ordered]).float()
    outer = torch.stack([structure.outer for structure in ordered]).float()
    gate = torch.ones(len(ordered), 1, FEATURES)
    floor = torch.tensor([0.0 if structure.rectified else _LINEAR_FLOOR for structure in ordered])
    parameters = hidden.sum((1, 2)) + scores.sum((1, 2)) + outer.sum((1, 2))
    fan_in = hidden.sum(2, keepdim=True).clamp_min(1)
    scale = torch.cat([hidden * (3 / fan_in).sqrt(), 0 * scores, 0 * gate], 1)
    tables = BlueprintTables(
        inner_mask=torch.cat([hidden, scores, gate], 1),
        outer_mask=outer,
        inner_scale=scale,
        floor=floor,
        attends=torch.tensor([float(structure.attends) for structure in ordered]),
        parameters=parameters,
    )
    return BlueprintTables(*(table.to(device) for table in tables))
