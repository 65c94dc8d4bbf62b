"""Tests of esper_tui.metrics.own_scalar."""

import math

import pytest
from msgspec import structs
from tests.tui.foreign import sb3, sb3_run

from esper_schemas import Health, Trend
from esper_schemas.declarations import MetricSpec
from esper_schemas.snapshot import ScalarState
from esper_tui.metrics.own_scalar import age_text, logged_text, scalar_health, scalar_text, scalar_value

BOUNDED = MetricSpec(name="x", critical_below=0.0, warning_below=1.0, warning_above=5.0, critical_above=9.0)


def one(value, spec=None, **fields):
    """A snapshot with a single scalar."""
    state = ScalarState(**{"value": value, "update": 17, "history": (value,)} | fields)
    return sb3(scalars={"x": state}, metric_specs={"x": spec} if spec else {})


@pytest.mark.parametrize(
    ("value", "health"),
    [
        (3.0, Health.OK),
        (0.5, Health.WARNING),
        (5.1, Health.WARNING),
        (-0.1, Health.CRITICAL),
        (9.1, Health.CRITICAL),
        (math.nan, Health.NOT_FINITE),
        (None, Health.NOT_MEASURED),
    ],
)
def test_a_described_scalar_is_judged_by_its_own_bounds(value, health):
    """A value on a bound is not beyond it."""
    assert scalar_health(one(value, BOUNDED), "x") is health


@pytest.mark.parametrize(
    ("history", "health"),
    [((1.0, math.nan), Health.WARNING), ((math.nan, math.nan), Health.OK), ((), Health.OK)],
)
def test_another_scalar_that_is_no_number_is_a_warning_if_it_was_one(history, health):
    """Some libraries log NaN for what does not apply."""
    assert scalar_health(one(math.nan, history=history), "x") is health


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (170.0, "170"),
        (0.42, "0.420"),
        (12.5, "12.50"),
        (195.3, "195.3"),
        (0.0000012, "1e-6"),
        (math.inf, "Inf"),
    ],
)
def test_a_number_without_a_description_has_four_significant_digits(value, text):
    """A count has no decimals."""
    assert scalar_text(one(value), "x", 9) == text


def test_the_decimals_are_those_of_the_largest_recent_value():
    """They do not change with every update."""
    assert scalar_text(one(9.5, history=(120.25, 9.5)), "x", 9) == "9.5"


def test_a_described_number_has_the_precision_of_its_description():
    """However many decimals that are."""
    assert scalar_text(one(0.4, MetricSpec(name="x", precision=1)), "x", 9) == "0.4"
    assert scalar_text(one(0.4, MetricSpec(name="x", precision=-3)), "x", 9) == "4e-1"


def test_the_trend_is_that_of_the_history():
    """It is judged as those of the catalogue are."""
    assert scalar_value(one(2.0, history=(1.0,) * 5 + (2.0,) * 5), "x").trend is Trend.RISING


@pytest.mark.parametrize(("update", "text"), [(17, ""), (16, ""), (15, "at update 15")])
def test_a_value_that_later_updates_lack_has_its_update(update, text):
    """One update may lack it, as the values of an update arrive one by one."""
    assert age_text(one(1.0, update=update), "x") == text


@pytest.mark.parametrize(("step", "text"), [(500, ""), (400, "at step 400"), (None, "")])
def test_without_updates_a_value_has_its_step(step, text):
    """The newest values need none."""
    snapshot = one(1.0, step=step, update=0)
    state = structs.replace(snapshot.tamiyo, ppo_data_received=False)
    snapshot = structs.replace(snapshot, tamiyo=state, run=sb3_run(last_step=500))

    assert age_text(snapshot, "x") == text


def test_when_a_value_was_logged_is_said_in_full():
    """Its update, its step, and how many updates ago."""
    assert logged_text(one(1.0, update=10, step=20_480), "x") == "update 10, step 20480, 7 updates ago"
    assert logged_text(one(1.0), "x") == "update 17"
