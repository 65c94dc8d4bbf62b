"""The layout of the action heads: rows of the output layer, and the padded head-major block.

The output layer has 41 rows of logits, head after head in the order of `HEADS`, and one row for the value.
Updates work on these rows, [41, N], where all reductions run over contiguous memory. Sampling works on [8,
13, N], padded to the widest head, so that one kernel serves all heads.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from esper_schemas.heads import (
    CAUSAL,
    ENTROPY_COEFFICIENT_MULTIPLIERS,
    HEAD_MAX_ENTROPIES,
    HEAD_SIZES,
    HEADS,
    Op,
)

HEAD_COUNT = len(HEADS)
MAX_CHOICES = max(HEAD_SIZES.values())
LOGIT_COUNT = sum(HEAD_SIZES.values())
VALUE_ROW = LOGIT_COUNT
OP = HEADS.index("op")
SLOT = HEADS.index("slot")


class ActionLayout(NamedTuple):
    """The constants that depend on the heads alone, on one device.

    padding int64 [8 * 13]: the row at each position of the padded block, 0 where there is no choice.
    positions int64 [41]: the position of each row in the padded block; heads int64 [41]: the head of each
    row.
    first int64 [8, 1]: the first row of each head.
    membership [8, 42]: 1 where a row of the output layer belongs to a head.
    causal [8, 6]: 1 where an op makes a head relevant.
    entropy_multipliers [8]: the weights of the heads in the entropy bonus.
    max_entropies [8]: the entropy of a uniform choice, in nats.
    """

    padding: Tensor
    positions: Tensor
    heads: Tensor
    first: Tensor
    membership: Tensor
    causal: Tensor
    entropy_multipliers: Tensor
    max_entropies: Tensor


def action_layout(device: torch.device) -> ActionLayout:
    """Build the constants on a device."""
    positions = _positions()
    heads_of_rows = [position // MAX_CHOICES for position in positions]
    padding = torch.zeros(HEAD_COUNT * MAX_CHOICES, dtype=torch.int64)
    padding[torch.tensor(positions)] = torch.arange(LOGIT_COUNT)
    membership = torch.zeros(HEAD_COUNT, LOGIT_COUNT + 1)
    membership[torch.tensor(heads_of_rows), torch.arange(LOGIT_COUNT)] = 1.0
    constants = ActionLayout(
        padding=padding,
        positions=torch.tensor(positions),
        heads=torch.tensor(heads_of_rows),
        first=torch.tensor([[heads_of_rows.index(head)] for head in range(HEAD_COUNT)]),
        membership=membership,
        causal=torch.tensor([[float(head in CAUSAL[op]) for op in Op] for head in HEADS]),
        entropy_multipliers=torch.tensor([ENTROPY_COEFFICIENT_MULTIPLIERS[head] for head in HEADS]),
        max_entropies=torch.tensor([HEAD_MAX_ENTROPIES[head] for head in HEADS]),
    )
    return ActionLayout(*(constant.to(device) for constant in constants))


def _positions() -> list[int]:
    """The position of each row in the padded block."""
    return [
        index * MAX_CHOICES + choice for index, head in enumerate(HEADS) for choice in range(HEAD_SIZES[head])
    ]
