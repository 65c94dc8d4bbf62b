"""The order of a run's own scalars: those with a problem, then the others by the prefix of their names."""

import re
from collections import defaultdict
from dataclasses import dataclass, replace
from functools import lru_cache
from math import isfinite

from esper_schemas.judgement import Health
from esper_schemas.snapshot import SanctumSnapshot
from esper_tui.metrics.own_scalar import scalar_health
from esper_tui.text.spans import clean, text_width

_WORST_FIRST = (Health.NOT_FINITE, Health.CRITICAL, Health.WARNING)


@dataclass(frozen=True, slots=True)
class ScalarGroup:
    """The scalars with one prefix, such as "eval/", and the width of the longest name; the prefix of names
    without one is empty.
    """

    prefix: str
    names: tuple[str, ...]
    longest: int = 0


def prefix_of(name: str) -> str:
    """The part of a name up to its first separator, which is included: "eval/" of "eval/mean_reward"."""
    head, separator, _ = name.partition("/")
    return head + separator if separator else ""


def beyond(snapshot: SanctumSnapshot) -> tuple[str, ...]:
    """The scalars that are beyond their own bounds or not finite, the worst first."""
    specs = snapshot.metric_specs
    suspects = (
        name
        for name, state in snapshot.scalars.items()
        if name in specs or (state.value is not None and not isfinite(state.value))
    )
    judged = [(name, scalar_health(snapshot, name)) for name in suspects]
    found = [(name, health) for name, health in judged if health in _WORST_FIRST]
    worst_first = sorted(found, key=lambda item: (_WORST_FIRST.index(item[1]), natural_order(item[0])))
    return tuple(name for name, _ in worst_first)


def scalar_groups(snapshot: SanctumSnapshot, without: frozenset[str] = frozenset()) -> list[ScalarGroup]:
    """All other scalars in their groups: groups with a described scalar first, then by prefix; in a group the
    described ones first.
    """
    groups = _groups(tuple(snapshot.scalars), frozenset(snapshot.metric_specs))
    if not without:
        return list(groups)
    kept = (replace(group, names=tuple(n for n in group.names if n not in without)) for group in groups)
    return [group for group in kept if group.names]


@lru_cache(maxsize=4)  # The names are the same in every frame.
def _groups(names: tuple[str, ...], described: frozenset[str]) -> tuple[ScalarGroup, ...]:
    members: dict[str, list[str]] = defaultdict(list)
    for name in sorted(names, key=natural_order):
        members[prefix_of(name)].append(name)
    groups = [
        ScalarGroup(
            prefix,
            tuple(sorted(group, key=lambda name: name not in described)),
            max(text_width(clean(name)) for name in group),
        )
        for prefix, group in members.items()
    ]
    return tuple(sorted(groups, key=lambda group: (group.names[0] not in described, group.prefix)))


def natural_order(name: str) -> tuple[tuple[str, int, str], ...]:
    """A sort key by which "layer.2" comes before "layer.10"."""
    parts = re.split(r"([0-9]{1,18})", name)
    return tuple(("", int(part), part) if place % 2 else (part, 0, "") for place, part in enumerate(parts))
