"""Thirteen blueprints as structure masks over one universal residual cell.

The cell has an inner matrix (hidden units, token scores and a gate as rows, features as columns)
and an outer matrix (features as rows, hidden units as columns). A blueprint says which of their
entries exist, whether the hidden units are rectified, and whether the cell attends over its tokens.
Choosing a blueprint is then an index, and every shape is static.
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


def _nothing() -> Tensor:
    return torch.zeros(FEATURES, FEATURES, dtype=torch.bool)


def _everything() -> Tensor:
    return torch.ones(FEATURES, FEATURES, dtype=torch.bool)


def _diagonal() -> Tensor:
    return torch.eye(FEATURES, dtype=torch.bool)


def _band(radius: int) -> Tensor:
    """Connect the tokens that are at most `radius` apart: a one-dimensional convolution's reach."""
    return (_token[:, None] - _token).abs() <= radius


def _same_channel() -> Tensor:
    return _channel[:, None] == _channel


def _hidden_units(count: int) -> Tensor:
    """Keep the first `count` hidden units as rows, each of which sees every feature."""
    return (torch.arange(FEATURES) < count)[:, None].expand(FEATURES, FEATURES)


def _no_scores() -> Tensor:
    return torch.zeros(TOKENS, FEATURES, dtype=torch.bool)


def _own_scores() -> Tensor:
    """The score of a token sees the channels of that token."""
    return torch.arange(TOKENS)[:, None] == _token


def _all_scores() -> Tensor:
    return torch.ones(TOKENS, FEATURES, dtype=torch.bool)


@dataclass(frozen=True)
class _Plan:
    """Which entries of the cell a blueprint has; masks are [rows, columns] and bool."""

    inner: Tensor
    outer: Tensor
    scores: Tensor
    rectified: bool = True
    attends: bool = False


def _plain(inner: Tensor, outer: Tensor, *, rectified: bool = True) -> _Plan:
    return _Plan(inner, outer, _no_scores(), rectified)


def _low_rank(units: int, *, rectified: bool) -> _Plan:
    return _plain(_hidden_units(units), _hidden_units(units).T, rectified=rectified)


def _plans() -> dict[Blueprint, _Plan]:
    return {
        Blueprint.NOOP: _plain(_nothing(), _nothing()),
        Blueprint.CONV_LIGHT: _plain(_band(1), _band(0)),
        Blueprint.ATTENTION: _Plan(_nothing(), _band(0), _own_scores(), attends=True),
        Blueprint.NORM: _plain(_diagonal(), _diagonal(), rectified=False),
        Blueprint.DEPTHWISE: _plain(_band(1) & _same_channel(), _band(0)),
        Blueprint.BOTTLENECK: _low_rank(4, rectified=True),
        Blueprint.CONV_SMALL: _plain(_band(1), _diagonal()),
        Blueprint.CONV_HEAVY: _plain(_band(2), _band(2)),
        Blueprint.LORA: _low_rank(2, rectified=False),
        Blueprint.LORA_LARGE: _low_rank(8, rectified=False),
        Blueprint.MLP_SMALL: _low_rank(8, rectified=True),
        Blueprint.MLP: _plain(_everything(), _everything()),
        Blueprint.FLEX_ATTENTION: _Plan(_band(0), _everything(), _all_scores(), attends=True),
    }


class BlueprintTables(NamedTuple):
    """What a blueprint index selects, on one device; the first dimension is `Blueprint`.

    inner_mask: float32 [13, 41, 32], 1 where the entry exists. The gate's row always exists: it
        belongs to the blending style, and is neither counted nor paid for.
    outer_mask: float32 [13, 32, 32].
    inner_scale: float32 [13, 41, 32], half-width of the uniform distribution that the entry is
        drawn from: sqrt(3 / fan-in), and 0 for scores and gate, which start neutral.
    floor: float32 [13], 0 where hidden units are rectified, far below every value where not.
    attends: float32 [13], 1 where the cell attends over its tokens.
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
    plans = _plans()
    ordered = [plans[blueprint] for blueprint in Blueprint]
    hidden = torch.stack([plan.inner for plan in ordered]).float()
    scores = torch.stack([plan.scores for plan in ordered]).float()
    outer = torch.stack([plan.outer for plan in ordered]).float()
    gate = torch.ones(len(ordered), 1, FEATURES)
    floor = torch.tensor([0.0 if plan.rectified else _LINEAR_FLOOR for plan in ordered])
    parameters = hidden.sum((1, 2)) + scores.sum((1, 2)) + outer.sum((1, 2))
    fan_in = hidden.sum(2, keepdim=True).clamp_min(1)
    scale = torch.cat([hidden * (3 / fan_in).sqrt(), 0 * scores, 0 * gate], 1)
    tables = BlueprintTables(
        inner_mask=torch.cat([hidden, scores, gate], 1),
        outer_mask=outer,
        inner_scale=scale,
        floor=floor,
        attends=torch.tensor([float(plan.attends) for plan in ordered]),
        parameters=parameters,
    )
    return BlueprintTables(*(table.to(device) for table in tables))
