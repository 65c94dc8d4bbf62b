"""A scalar of the run's own on the screen: its metric, its judgement, its number and when it was logged."""

import math
from functools import lru_cache

from esper_schemas.declarations import MetricSpec
from esper_schemas.judgement import Health, judge, trend
from esper_schemas.metrics.metric import Good, Group, Metric
from esper_schemas.metrics.own import bands_of
from esper_schemas.snapshot import SanctumSnapshot, ScalarState
from esper_schemas.state import History
from esper_tui.metrics.alarms import alarm_of
from esper_tui.metrics.metric_value import MetricValue
from esper_tui.text.numbers import count, significant
from esper_tui.text.spans import clean

FRESH_UPDATES = 1
"""A value that is no more updates old than this counts as logged with the last one."""
MOST_PRECISION = 9


def scalar_value(snapshot: SanctumSnapshot, name: str) -> MetricValue:
    """The value of a scalar with its judgement, its trend and its history."""
    state = snapshot.scalars[name]
    metric = scalar_metric(name, snapshot.metric_specs.get(name))
    history, health = state.history, scalar_health(snapshot, name)
    direction = trend(history, metric.trend_threshold)
    alarm = alarm_of(snapshot, name, health)
    return MetricValue(metric, state.value, health, direction, history, alarm=alarm)


@lru_cache(maxsize=4096)  # every visible row of every frame
def scalar_metric(name: str, spec: MetricSpec | None) -> Metric:
    """The description of a scalar as that of any metric."""
    spec = spec or MetricSpec(name=name)
    return Metric(
        label=clean(name),
        group=Group.TIMING,
        unit=clean(spec.unit),
        meaning=clean(spec.meaning),
        question="",
        precision=min(max(spec.precision, 0), MOST_PRECISION),
        bands=bands_of(spec),
        good=Good(spec.good),
    )


def scalar_health(snapshot: SanctumSnapshot, name: str) -> Health:
    """Judge a scalar by its own bounds.

    A scalar without a description that is not finite is a warning, since nobody said what it may be; one that
    never was finite is none, as some libraries log NaN for what does not apply.
    """
    state, spec = snapshot.scalars[name], snapshot.metric_specs.get(name)
    if spec is not None:
        return judge(scalar_metric(name, spec), state.value)
    if state.value is None:
        return Health.NOT_MEASURED
    if math.isfinite(state.value) or not _was_finite(state.history):
        return Health.OK
    return Health.WARNING


def _was_finite(history: History) -> bool:
    return any(value is not None and math.isfinite(value) for value in history)


def scalar_text(snapshot: SanctumSnapshot, name: str, width: int) -> str:
    """The number, with the precision of its description or else about four significant digits."""
    state, spec = snapshot.scalars[name], snapshot.metric_specs.get(name)
    precision = _precision(state) if spec is None else scalar_metric(name, spec).precision
    return significant(state.value, width, precision)


def _precision(state: ScalarState) -> int:
    """Decimals for the largest of the recent values, so that they do not change with every update."""
    values = [abs(v) for v in (*state.history, state.value) if v is not None and math.isfinite(v)]
    if all(value == int(value) for value in values):
        return 0
    largest = max(values)
    return next((decimals for decimals, bound in ((3, 10.0), (2, 100.0), (1, 1000.0)) if largest < bound), 0)


def age_text(snapshot: SanctumSnapshot, name: str) -> str:
    """When a scalar was logged, if later updates or steps lack it; otherwise empty."""
    state = snapshot.scalars[name]
    updates = snapshot.tamiyo.last_update - state.update
    if snapshot.tamiyo.ppo_data_received:
        return f"at update {count(state.update)}" if updates > FRESH_UPDATES else ""
    newest = snapshot.run.last_step
    if state.step is None or newest is None or state.step >= newest:
        return ""
    return f"at step {count(state.step)}"


def logged_text(snapshot: SanctumSnapshot, name: str) -> str:
    """When a scalar was logged, in a sentence."""
    state = snapshot.scalars[name]
    step = "" if state.step is None else f", step {count(state.step, 12)}"
    late = snapshot.tamiyo.last_update - state.update
    ago = f", {count(late)} updates ago" if late > FRESH_UPDATES and snapshot.tamiyo.ppo_data_received else ""
    return f"update {count(state.update)}{step}{ago}"
