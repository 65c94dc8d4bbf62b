"""Tests of esper_tui.metrics.metric_value."""

import math

import pytest
from msgspec import structs

from esper_schemas import QUANTITIES
from esper_schemas.declarations import RunThresholds
from esper_schemas.judgement import Health
from esper_schemas.metrics.metric import Group, Metric
from esper_schemas.state import Trend
from esper_tui.metrics.bounds_text import critical_words
from esper_tui.metrics.metric_value import (
    MetricValue,
    history_of,
    trend_of,
    unbounded_value,
    value_in_snapshot,
    value_in_state,
    value_of,
)
from esper_tui.text.spans import Tone


def test_a_missing_history_is_empty(make_snapshot, feeds):
    """There is none before the first update or for a metric that was never measured."""
    assert history_of(make_snapshot(), "td_error_std") == ()
    assert history_of(feeds["waiting"].snapshot, "policy_loss") == ()
    assert trend_of(make_snapshot(), "td_error_std") is Trend.UNKNOWN


def test_the_history_of_the_loss_ratio_is_computed_from_its_losses(make_snapshot, make_state):
    """The ratio is undefined where the policy loss is zero."""
    state = make_state(policy_loss_history=(2.0, -1.0, 0.0), value_loss_history=(1.0, 3.0, 5.0))

    assert history_of(make_snapshot(state), "loss_ratio") == (0.5, 3.0, None)


def test_the_trend_of_a_metric_uses_its_own_threshold(make_snapshot):
    """A change of the mean by 20 % is a trend where the threshold is lower."""
    rising = structs.replace(make_snapshot(), histories={"value_std": (1.0,) * 5 + (1.2,) * 5})

    assert trend_of(rising, "value_std") is Trend.RISING
    assert QUANTITIES["value_std"].metric.trend_threshold < 0.2


def test_a_value_has_a_health(make_snapshot, make_state):
    """It follows from the bands of the metric."""
    value = value_of(make_snapshot(make_state(value_loss=25.3)), "value_loss")

    assert (value.value, value.health) == (25.3, Health.CRITICAL)
    assert value.metric is QUANTITIES["value_loss"].metric


def test_the_bounds_are_those_that_the_run_gives(make_snapshot, make_state):
    """Its colour follows from them, and the words beside it."""
    thresholds = RunThresholds("[value_loss]\nwarning_above = 100\ncritical_above = 200\n")
    value = value_of(make_snapshot(make_state(value_loss=25.3, thresholds=thresholds)), "value_loss")

    assert value.health is Health.OK
    assert critical_words(value.metric).endswith("> 200")


@pytest.mark.parametrize(
    ("alarm", "health", "tone"),
    [
        (Health.OK, Health.OK, Tone.VALUE),
        (Health.OK, Health.CRITICAL, Tone.BEYOND),
        (Health.WARNING, Health.CRITICAL, Tone.WARNING),
        (Health.CRITICAL, Health.WARNING, Tone.CRITICAL),
        (Health.CRITICAL, Health.OK, Tone.CRITICAL),
    ],
)
def test_the_tone_is_that_of_the_alarm_or_else_that_of_the_value(alarm, health, tone):
    """An alarm takes precedence over the band."""
    metric = QUANTITIES["value_loss"].metric

    assert MetricValue(metric, 1.0, health, alarm=alarm).tone() is tone


def test_the_state_keeps_the_trend_and_the_history_of_few_metrics(make_snapshot, make_state):
    """Other metrics have a value only."""
    state = make_state(trends={"policy_loss": Trend.RISING})
    loss, std = (value_in_state(make_snapshot(state), name) for name in ("policy_loss", "value_std"))

    assert (loss.trend, loss.history) == (Trend.RISING, state.policy_loss_history)
    assert (std.trend, std.history) == (Trend.UNKNOWN, ())


def test_a_snapshot_has_the_trend_and_the_history_of_any_metric(make_snapshot):
    """They come from the histories beside the state."""
    rising = structs.replace(make_snapshot(), histories={"value_std": (1.0,) * 5 + (2.0,) * 5})
    value = value_in_snapshot(rising, "value_std")

    assert (value.trend, value.history) == (Trend.RISING, (1.0,) * 5 + (2.0,) * 5)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"policy_loss": 0.5, "value_loss": 1.0}, "2.00"),
        ({"policy_loss": 0.0}, "---"),
        ({"policy_loss": math.nan}, "NaN"),
        ({"ppo_data_received": False}, "waiting"),
    ],
)
def test_an_undefined_ratio_does_not_look_like_one_that_was_not_measured(
    make_snapshot, make_state, fields, text
):
    """Nor does it look like one before the first update."""
    assert value_of(make_snapshot(make_state(**fields)), "loss_ratio").text(7) == text
    assert value_of(make_snapshot(make_state(td_error_std=None)), "td_error_std").text(7) == "–"


def test_decimals_are_those_of_the_metric_or_fewer(make_snapshot, make_state):
    """A table or a narrow column can ask for fewer."""
    value = value_of(make_snapshot(make_state(kl_divergence=0.012345)), "kl_divergence")

    assert [value.text(9), value.text(9, most_decimals=2), value.text(4)] == ["0.0123", "0.01", "0.01"]


@pytest.mark.parametrize(
    ("value", "health"),
    [(1.0, Health.OK), (None, Health.NOT_MEASURED), (math.inf, Health.NOT_FINITE)],
)
def test_a_value_outside_the_catalogue_has_a_health(value, health):
    """Without bounds it is ok, not measured or not finite."""
    speed = Metric(label="Speed", group=Group.TIMING, unit="steps/s", meaning="", question="")

    assert unbounded_value(speed, value).health is health
