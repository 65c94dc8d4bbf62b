"""Since when a value is beyond its bands, in words, and whether that is usual for the run.

A value beyond the bands of its metric has their colour, and is not a finding by itself: many healthy runs
have such values from their first update to their last.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from esper_schemas.judgement import Health, judge, judge_field, oscillates
from esper_schemas.metrics.metric import Metric
from esper_schemas.rules.finding_metrics import measured_by
from esper_schemas.run_metrics import metric_field
from esper_schemas.snapshot import SanctumSnapshot
from esper_schemas.state import HISTORY_LENGTH, History
from esper_tui.metrics.alarms import BEYOND, finding_about
from esper_tui.metrics.metric_value import history_of
from esper_tui.metrics.own_scalar import scalar_health, scalar_metric
from esper_tui.text.numbers import count
from esper_tui.text.spans import clean

TYPICAL = "usual here"


@dataclass(frozen=True, slots=True)
class Standing:
    """How long a value has been beyond its bands, as far as that is known.

    `since` is in words, and `is_typical` if the value has been so for most of what is known of the run.
    `oscillates` tells that the value is within its bands, but its history is volatile.
    """

    health: Health
    since: str
    is_typical: bool = False
    oscillates: bool = False

    @property
    def short(self) -> str:
        """A few words: "usual here" or "since 412"."""
        if self.oscillates:
            return "oscillates"
        return TYPICAL if self.is_typical else self.since

    @property
    def sentence(self) -> str:
        """What is unusual about the value, since when, and what that means."""
        what = "not finite" if self.health is Health.NOT_FINITE else "beyond its bands"
        if self.oscillates:
            what = "varies far more than before"
        if self.is_typical:
            return f"{TYPICAL}: {what} {self.since}, and no finding came of it"
        return f"{what} {self.since}; that alone is not a finding"


def standing(snapshot: SanctumSnapshot, name: str) -> Standing | None:
    """Return the standing of a metric's value; None if it is within its bands or was not measured."""
    state, health = snapshot.tamiyo, judge_field(snapshot.tamiyo, name)
    if health not in BEYOND:
        return None
    symptoms = [s.since_update for s in snapshot.symptoms if s.active and name in measured_by(s)]
    if symptoms:
        lasted = state.last_update - min(symptoms) + 1
        return Standing(health, _since(min(symptoms)), 2 * lasted > state.ppo_updates_count)
    field = metric_field(state, name)
    if oscillates(state, name):
        return Standing(health, "in its last values", oscillates=True)
    flags = _flags(field.metric, health, history_of(snapshot, name), field.maximum)
    first = state.last_update - _at_the_end(flags) + 1
    if not _is_typical(flags):
        return Standing(health, _since(first))
    times = f"in {sum(flags)} of the last {len(flags)} updates"
    return Standing(health, f"since {count(first)} or earlier" if all(flags) else times, is_typical=True)


def scalar_standing(snapshot: SanctumSnapshot, name: str) -> Standing | None:
    """Return the standing of one of the run's own metrics, which need not be logged with every update."""
    health, history = scalar_health(snapshot, name), snapshot.scalars[name].history
    if health not in BEYOND:
        return None
    flags = _flags(scalar_metric(name, snapshot.metric_specs.get(name)), health, history)
    latest = _at_the_end(flags)
    if _is_typical(flags):
        return Standing(health, f"in {sum(flags)} of its last {len(flags)} values", is_typical=True)
    return Standing(health, "in its last value" if latest == 1 else f"in its last {latest} values")


def standing_text(snapshot: SanctumSnapshot, name: str, standing: Standing | None) -> str:
    """Return the worst finding about a metric, or else its standing in a sentence; empty without either."""
    finding = finding_about(snapshot, name)
    if finding is not None:
        return f"{clean(finding.title).rstrip('.')}, since {count(finding.since_update)}"
    return standing.sentence if standing else ""


def _flags(metric: Metric, health: Health, history: History, maximum: float = 1.0) -> list[bool]:
    """Whether each measured value of a history was beyond the bands; not finite, if the last one is not."""
    judged = (judge(metric, value, maximum=maximum) for value in history if value is not None)
    return [one is health if health is Health.NOT_FINITE else one in BEYOND for one in judged]


def _is_typical(flags: Sequence[bool]) -> bool:
    """Whether a full history began beyond the bands and was there most of the time."""
    return len(flags) >= HISTORY_LENGTH and flags[0] and 2 * sum(flags) > len(flags)


def _at_the_end(flags: Sequence[bool]) -> int:
    """The number of values at the end that are all beyond the bands, at least the last one."""
    within = next((place for place, flag in enumerate(reversed(flags)) if not flag), len(flags))
    return max(within, 1)


def _since(update: int) -> str:
    return f"since {count(update)}"
