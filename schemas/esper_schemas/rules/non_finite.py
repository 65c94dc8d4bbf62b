"""Latches for heads that ever measured NaN or infinity; they stay set for the rest of the run."""

import math
from operator import attrgetter

from msgspec.structs import astuple

from esper_schemas.heads import HEADS
from esper_schemas.metrics.catalogue import head_field
from esper_schemas.payload import PPOUpdatePayload

_FAMILIES = ("entropy", "ratio_max", "grad_norm")
_HEADS = [head for _ in _FAMILIES for head in HEADS]

LATCHED_FIELDS = tuple(head_field(head, family) for family in _FAMILIES for head in HEADS)
"""The payload fields whose NaNs and infinities set a latch."""

_read = attrgetter(*LATCHED_FIELDS)


def latch(nan: dict[str, bool], inf: dict[str, bool], payload: PPOUpdatePayload) -> None:
    """Set the latches of the heads that have a value which is not finite; of own heads, any value counts."""
    for head, value in zip(_HEADS, _read(payload), strict=True):
        if value is not None and not math.isfinite(value):
            (nan if math.isnan(value) else inf)[head] = True
    for name, measures in payload.heads.items():
        for value in astuple(measures):
            if value is not None and not math.isfinite(value):
                (nan if math.isnan(value) else inf)[name] = True
