"""How far the entropy of a head has fallen within a few updates."""

from collections.abc import Iterable, Sequence
from math import inf
from operator import attrgetter

from esper_schemas.events import PPOUpdateCompleted
from esper_schemas.heads import HEADS
from esper_schemas.metrics.catalogue import head_field
from esper_schemas.payload import PPOUpdatePayload
from esper_schemas.rules.quantities import ENTROPY_FALL, FALL_FROM, FALL_WITHIN

FALLS_OF_TAMIYO = tuple(head_field(head, ENTROPY_FALL) for head in HEADS)
"""The names of the falls of Tamiyo's heads."""

CLEARLY_UNSURE = 0.3
"""A policy whose entropy was a larger share of its maximum explored."""

_SMALLEST = 1e-9
"""Smaller shares count as this, so that the factor is finite."""

_NOT_MEASURED: tuple[None, ...] = (None,) * len(HEADS)
_shares = attrgetter(*(head_field(head, "entropy_legal") for head in HEADS))


def entropy_fall(
    share: float | None, before: Iterable[float | None], least: float = FALL_FROM
) -> float | None:
    """Return the factor by which a share of the largest entropy has fallen since the highest one before.

    None if that was below `least`, or was not measured.
    """
    if share is None or not -inf < share < inf:
        return None
    highest = 0.0
    for past in before:
        if past is not None and past > highest and past != inf:
            highest = past
    if highest < least:
        return None
    return highest / (share if share > _SMALLEST else _SMALLEST)


def falls_of_tamiyo(payload: PPOUpdatePayload, past: Iterable[PPOUpdateCompleted]) -> Sequence[float | None]:
    """Return the fall of each of Tamiyo's heads; `past` are the updates before, oldest first."""
    shares = _shares(payload)
    if shares == _NOT_MEASURED:
        return _NOT_MEASURED
    rows = [_shares(update.payload) for update in list(past)[-FALL_WITHIN:]]
    return [entropy_fall(share, [row[place] for row in rows]) for place, share in enumerate(shares)]
