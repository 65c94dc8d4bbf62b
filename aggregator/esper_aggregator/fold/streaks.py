"""Streaks of unusual values: since when, how long, how bad. Pure; bounded memory.

The snapshot keeps ten updates; a streak remembers since when something is unusual, however long ago.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from msgspec.structs import replace

from esper_schemas.findings import Symptom
from esper_schemas.rules.watches import GAP, WATCH_NAMES

Key = tuple[str, str]
"""A symptom's name and its metric."""

Severity = Literal["warning", "critical", "not finite"]
_SEVERITIES: tuple[Severity, ...] = ("warning", "critical", "not finite")


@dataclass(slots=True)
class Streak:
    """A symptom that goes on; `seen` says after how many observations it was seen last."""

    head: str | None
    seen: int
    since_update: int
    last_update: int
    value: float
    worst: float
    worst_update: int
    updates: int = 0
    critical_since: int | None = None
    critical_updates: int = 0
    finite: bool = True

    def symptom(self, key: Key, *, active: bool) -> Symptom:
        """What a snapshot shows of it."""
        severity: Severity = "critical" if self.critical_updates else "warning"
        return Symptom(
            name=key[0],
            metric=key[1],
            head=self.head,
            severity=severity if self.finite else "not finite",
            since_update=self.since_update,
            last_update=self.last_update,
            updates=self.updates,
            critical_since=self.critical_since,
            critical_updates=self.critical_updates,
            value=self.value,
            worst=self.worst,
            worst_update=self.worst_update,
            active=active,
        )


@dataclass(slots=True)
class Streaks:
    """What one producer's updates, or its rollouts, have shown: open streaks, and the last ended one each."""

    observed: int = 0
    open: dict[Key, Streak] = field(default_factory=dict)
    ended: dict[Key, Symptom] = field(default_factory=dict)

    def symptoms(self) -> Iterator[Symptom]:
        """Ended ones and open ones."""
        yield from self.ended.values()
        for key, streak in self.open.items():
            yield streak.symptom(key, active=True)

    def extend(self, key: Key, head: str | None, update: int, value: float, *, below: bool) -> Streak:
        """Lengthen the open streak by one more unusual value, or begin one."""
        streak = self.open.get(key)
        if streak is None:
            streak = self.open[key] = Streak(head, 0, update, update, value, value, update)
        streak.seen = self.observed + 1
        streak.last_update = update
        streak.updates += 1
        if _is_worse(value, streak.worst, below=below):
            streak.worst, streak.worst_update = value, update
        return streak

    def end_observation(self) -> None:
        """Count an observation, and end the streaks that the last `GAP` and one more did not extend."""
        self.observed += 1
        if not self.open:
            return
        over = [key for key, streak in self.open.items() if self.observed - streak.seen > GAP]
        for key in over:
            self.ended[key] = self.open.pop(key).symptom(key, active=False)


def _is_worse(value: float, than: float, *, below: bool) -> bool:
    """NaN is the worst; otherwise the side of the bound decides."""
    if value != value or than != than:
        return than == than
    return value < than if below else value > than


def merged_symptoms(symptoms: Iterable[Symptom]) -> tuple[Symptom, ...]:
    """All ranks' symptoms, oldest first: the active ones of one name and metric are one, and the ended."""
    groups: dict[tuple[str, str, bool], list[Symptom]] = {}
    for symptom in symptoms:
        groups.setdefault((symptom.name, symptom.metric, symptom.active), []).append(symptom)
    merged = (group[0] if len(group) == 1 else _merged(group) for group in groups.values())
    return tuple(sorted(merged, key=lambda s: (s.since_update, s.name, s.metric, s.active)))


def _merged(group: list[Symptom]) -> Symptom:
    """The earliest beginning, the latest end, the longest streak, the worst value."""
    watch = WATCH_NAMES.get(group[0].name)
    sign = -1.0 if watch is not None and watch.below else 1.0
    worst = max(group, key=lambda s: (math.isnan(s.worst), _orderable(sign * s.worst), -s.worst_update))
    first = min(group, key=lambda s: (s.since_update, _orderable(-sign * s.value)))
    return replace(
        worst,
        value=first.value,
        severity=max((s.severity for s in group), key=_SEVERITIES.index),
        since_update=first.since_update,
        last_update=max(s.last_update for s in group),
        updates=max(s.updates for s in group),
        critical_since=min((s.critical_since for s in group if s.critical_since is not None), default=None),
        critical_updates=max(s.critical_updates for s in group),
    )


def _orderable(value: float) -> float:
    return math.inf if math.isnan(value) else value
