"""The value of one metric with its judgement, its trend and its last values, from a snapshot."""

from typing import NamedTuple

from esper_schemas.judgement import (
    UNDEFINED_POLICY_LOSS,
    Health,
    judge,
    judge_field,
    loss_ratio,
    trend,
)
from esper_schemas.metrics.metric import Metric
from esper_schemas.policy_heads import quantity_value
from esper_schemas.run_metrics import metric_field
from esper_schemas.snapshot import SanctumSnapshot
from esper_schemas.state import HISTORY_METRICS, History, TamiyoState, Trend
from esper_tui.metrics.alarms import alarm_of
from esper_tui.text.numbers import NOT_MEASURED, number
from esper_tui.text.spans import Tone
from esper_tui.text.theme import ALARM_TONES, tone

UNDEFINED = "---"
WAITING = "waiting"
MOST_DECIMALS = 9


class MetricValue(NamedTuple):
    """A value, how it is judged, where it is going, and the values before it, oldest first.

    `absent` is printed in place of a value that is None. `alarm` is the severity of the finding that the
    value shows, OK without one.
    """

    metric: Metric
    value: float | None
    health: Health
    trend: Trend = Trend.UNKNOWN
    history: History = ()
    absent: str = NOT_MEASURED
    alarm: Health = Health.OK

    def text(self, width: int, most_decimals: int = MOST_DECIMALS) -> str:
        """The value with the metric's precision in at most `width` characters, or why there is none."""
        if self.health is Health.WAITING:
            return WAITING
        if self.value is None:
            return self.absent[:width]
        return number(self.value, min(self.metric.precision, most_decimals), width)

    def tone(self, ok: Tone = Tone.VALUE) -> Tone:
        """The tone of the alarm, or else the colour of the value; `ok` is that of a healthy one."""
        return ALARM_TONES.get(self.alarm) or tone(self.health, ok)


def value_of(
    snapshot: SanctumSnapshot, name: str, trend: Trend = Trend.UNKNOWN, history: History = ()
) -> MetricValue:
    """The value and its judgement, with a trend and a history if they are known."""
    state = snapshot.tamiyo
    metric, health = metric_field(state, name).metric, judge_field(state, name)
    value, absent = quantity_value(state, name), NOT_MEASURED
    if name == "loss_ratio":
        value = loss_ratio(state)
        absent = NOT_MEASURED if None in (state.value_loss, state.policy_loss) else UNDEFINED
    return MetricValue(metric, value, health, trend, history, absent, alarm_of(snapshot, name, health))


def value_in_state(snapshot: SanctumSnapshot, name: str) -> MetricValue:
    """The value with the trend and the history that the learner's state keeps; few metrics have them."""
    state = snapshot.tamiyo
    return value_of(snapshot, name, state.trends.get(name, Trend.UNKNOWN), _kept(state, name))


def value_in_snapshot(snapshot: SanctumSnapshot, name: str) -> MetricValue:
    """The value with the trend and the history of any metric."""
    return value_of(snapshot, name, trend_of(snapshot, name), history_of(snapshot, name))


def unbounded_value(metric: Metric, value: float | None) -> MetricValue:
    """A value that no state holds, judged by its metric alone."""
    return MetricValue(metric, value, judge(metric, value))


def history_of(snapshot: SanctumSnapshot, name: str) -> History:
    """The last values, oldest first; empty where none are kept. That of Lv/Lp follows from its losses."""
    if not snapshot.tamiyo.ppo_data_received:
        return ()
    if name in HISTORY_METRICS:
        return _kept(snapshot.tamiyo, name)
    if name == "loss_ratio":
        return _loss_ratios(snapshot.tamiyo.value_loss_history, snapshot.tamiyo.policy_loss_history)
    return snapshot.histories.get(name, ())


def _kept(state: TamiyoState, name: str) -> History:
    if name not in HISTORY_METRICS or not state.ppo_data_received:
        return ()
    history: History = getattr(state, f"{name}_history")
    return history


def _loss_ratios(value_losses: History, policy_losses: History) -> History:
    return tuple(
        None
        if value is None or policy is None or abs(policy) < UNDEFINED_POLICY_LOSS
        else value / abs(policy)
        for value, policy in zip(value_losses, policy_losses, strict=False)
    )


def trend_of(snapshot: SanctumSnapshot, name: str) -> Trend:
    """The trend that the state holds, or else that of the history, judged by the same rule."""
    known = snapshot.tamiyo.trends.get(name)
    threshold = metric_field(snapshot.tamiyo, name).metric.trend_threshold
    return known or trend(history_of(snapshot, name), threshold)
