"""Streaks of values beyond a bound: when they began, how long they last and how bad they are.

A history keeps the last ten updates; a streak also remembers a beginning that is longer ago. The number of
streaks is limited by the number of watches.
"""

import math
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from msgspec.structs import replace

from esper_schemas.findings import Symptom
from esper_schemas.rules.watch import GAP
from esper_schemas.rules.watches import WATCH_NAMES

Key = tuple[str, str]
"""The name of a symptom, and its metric."""

Severity = Literal["warning", "critical", "not finite"]
NAMED_RANKS = 4
"""Ranks that a symptom names, of those that show it."""

_GAPS = {name: watch.gap for name, watch in WATCH_NAMES.items() if watch.gap != GAP}
_SEVERITIES: tuple[Severity, ...] = ("warning", "critical", "not finite")


@dataclass(slots=True)
class Streak:
    """A streak that is open; `seen` is the number of the observation that extended it last, from 1."""

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
    at_best: int = 0

    def add_critical(self, update: int) -> None:
        """Count the last value as one beyond the critical bound."""
        self.critical_updates += 1
        if self.critical_since is None:
            self.critical_since = update

    def mark_not_finite(self, update: int) -> None:
        """Count the last value as one that is not finite."""
        self.finite = False
        self.add_critical(update)

    def symptom(self, key: Key, *, active: bool) -> Symptom:
        """Return the streak as a snapshot shows it."""
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
            at_best=self.at_best,
        )


@dataclass(slots=True)
class Streaks:
    """The streaks of one producer's updates, or of its rollouts.

    `open` has those that go on, `ended` the last one of each key that has ended; `observed` counts updates or
    rollouts.
    """

    observed: int = 0
    open: dict[Key, Streak] = field(default_factory=dict)
    ended: dict[Key, Symptom] = field(default_factory=dict)

    def symptoms(self) -> Iterator[Symptom]:
        """Yield the ended streaks and the open ones."""
        yield from self.ended.values()
        for key, streak in self.open.items():
            yield streak.symptom(key, active=True)

    def extend(self, key: Key, head: str | None, update: int, value: float, *, below: bool) -> Streak:
        """Extend the open streak of a key by one value, or begin a streak."""
        streak = self.open.get(key)
        if streak is None:
            streak = self.open[key] = Streak(head, 0, update, update, value, value, update)
        streak.seen = self.observed + 1
        streak.last_update = update
        streak.updates += 1
        if _is_worse(value, streak.worst, below=below):
            streak.worst, streak.worst_update = value, update
        return streak

    def forget_heads(self, heads: Collection[str]) -> None:
        """Forget the streaks of some heads."""
        self.open = {key: streak for key, streak in self.open.items() if streak.head not in heads}
        self.ended = {key: symptom for key, symptom in self.ended.items() if symptom.head not in heads}

    def end_observation(self) -> None:
        """Count an observation, and end the streaks that were not extended for longer than their gap."""
        self.observed = observed = self.observed + 1
        if not self.open:
            return
        unseen = [(key, streak) for key, streak in self.open.items() if streak.seen != observed]
        for key, streak in unseen:
            if observed - streak.seen > _GAPS.get(key[0], GAP):
                del self.open[key]
                self.ended[key] = streak.symptom(key, active=False)


def _is_worse(value: float, than: float, *, below: bool) -> bool:
    """Return whether a value is farther beyond its bound than another; NaN is the worst."""
    if value != value or than != than:
        return than == than
    return value < than if below else value > than


def merged_symptoms(symptoms: Iterable[Symptom], world_size: int = 1) -> tuple[Symptom, ...]:
    """Merge the symptoms of all ranks, oldest first: one active and one ended symptom per name and metric.

    One that all of `world_size` ranks show is the run's, and names none of them.
    """
    groups: dict[tuple[str, str, bool], list[Symptom]] = {}
    for symptom in symptoms:
        groups.setdefault((symptom.name, symptom.metric, symptom.active), []).append(symptom)
    merged = (group[0] if len(group) == 1 else _merged(group, world_size) for group in groups.values())
    return tuple(sorted(merged, key=lambda s: (s.since_update, s.name, s.metric, s.active)))


def _merged(group: list[Symptom], world_size: int) -> Symptom:
    """Merge symptoms to the earliest beginning, the latest end, the longest streak and the worst value."""
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
        at_best=max(s.at_best for s in group),
        ranks=_lowest(rank for s in group for rank in s.ranks) if len(group) < world_size else (),
    )


def _lowest(ranks: Iterable[int]) -> tuple[int, ...]:
    return tuple(sorted(set(ranks))[:NAMED_RANKS])


def _orderable(value: float) -> float:
    return math.inf if math.isnan(value) else value
