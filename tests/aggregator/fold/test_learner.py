"""The learner's state has the metrics of the last update, under the names of the TELE records."""

import math

import pytest
from tests.aggregator.fold.examples import update
from tests.aggregator.fold.validated import fold_all, project

from esper_aggregator.fold.run_state import RunState
from esper_schemas import events as e
from esper_schemas.metrics.catalogue import CATALOGUE
from esper_schemas.payload import PPOUpdatePayload
from esper_schemas.state import TamiyoState, Trend


def test_tele_131_policy_loss_and_its_history_reach_the_state(record_of):
    """The last ten values, oldest first, and the newest as the value."""
    tamiyo = project(fold_all(record_of(update(n, policy_loss=n / 100)) for n in range(1, 13))).tamiyo

    assert tamiyo.policy_loss == 0.12
    assert tamiyo.policy_loss_history == tuple(n / 100 for n in range(3, 13))
    assert tamiyo.ppo_updates_count == 12
    assert tamiyo.ppo_data_received


def test_tele_132_a_falling_value_loss_is_a_trend(record_of):
    """Means 9.0 (11, 10, 9, 8, 7) and 4.0 (6, 5, 4, 3, 2): a change of 5.0, more than 20 % of 9.0."""
    losses = [11.0, 10.0, 9.0, 8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0]
    tamiyo = project(fold_all(record_of(update(n, value_loss=x)) for n, x in enumerate(losses))).tamiyo

    assert tamiyo.trends["value_loss"] is Trend.FALLING
    assert tamiyo.trends["entropy"] is Trend.UNKNOWN


def test_the_previous_gradient_norm_is_kept_for_the_arrow(record_of):
    """TELE-321: the value of the previous update; None before the second update."""
    first = fold_all([record_of(update(1, head_op_grad_norm=0.5))])
    second = fold_all([record_of(update(2, head_op_grad_norm=0.7))], first)

    assert project(second).tamiyo.head_op_grad_norm_prev == 0.5
    assert project(fold_all([record_of(update(1))])).tamiyo.head_op_grad_norm_prev is None


def test_values_that_are_not_finite_are_kept(record_of):
    """NaN stays NaN, and does not become zero."""
    tamiyo = project(fold_all([record_of(update(1, value_loss=math.nan))])).tamiyo

    assert math.isnan(tamiyo.value_loss)
    assert math.isnan(tamiyo.value_loss_history[0])


def test_the_tamiyo_state_of_an_update_has_every_measured_field(record_of):
    """Each field of the payload appears under its own name."""
    names = tuple(CATALOGUE)
    payload = PPOUpdatePayload(**{name: float(index) for index, name in enumerate(names)})
    tamiyo = project(fold_all([record_of(e.PPOUpdateCompleted(update=1, payload=payload))])).tamiyo

    assert isinstance(tamiyo, TamiyoState)
    assert [getattr(tamiyo, name) for name in names] == [float(index) for index in range(len(names))]


def test_tele_121_to_123_follow_from_the_last_updates(record_of):
    """Entropy falls by 0.1 an update while clips rise by 0.1: slope -0.1, correlation -1, risk 0.68."""
    updates = [update(n, entropy_normalized=0.9 - n / 10, clip_fraction=0.1 + n / 10) for n in range(5)]
    tamiyo = project(fold_all(map(record_of, updates))).tamiyo

    assert tamiyo.entropy_velocity == pytest.approx(-0.1)
    assert tamiyo.entropy_clip_correlation == pytest.approx(-1.0)
    assert tamiyo.collapse_risk_score == pytest.approx(0.68)  # the arithmetic is in test_collapse
    assert project(fold_all([record_of(update(9), producer="b")])).tamiyo.entropy_velocity is None


def test_collapse_risk_depends_on_its_previous_value(record_of):
    """Five updates at 0.55 make 0.15; ten at 0.7 make 0.10, only 0.05 away, so 0.15 is kept."""
    updates = [update(n, entropy_normalized=0.55) for n in range(5)]
    updates += [update(n, entropy_normalized=0.7) for n in range(5, 15)]
    tamiyo = project(fold_all(map(record_of, updates))).tamiyo

    assert tamiyo.collapse_risk_score == pytest.approx(0.15)


def test_gradient_drift_is_relative_to_the_baseline_level(record_of):
    """After thirty updates at 1.0, more than are kept, a norm of 5 is five times the baseline level."""
    updates = [update(n, grad_norm_pre_clip=1.0) for n in range(1, 31)]
    again = [e.RunStarted(task="t"), update(1, grad_norm_pre_clip=5.0)]
    steady, grown, restarted = (
        project(fold_all(map(record_of, events))).tamiyo.gradient_drift
        for events in (updates, [*updates, update(31, grad_norm_pre_clip=5.0)], [*updates, *again])
    )

    assert steady == pytest.approx(1.0)
    assert grown == pytest.approx(5.0)
    assert restarted is None


def test_every_metric_has_a_history_of_the_last_updates(record_of):
    """It has ten updates of the leading rank, oldest first; a metric that was not measured has none."""
    first = [update(n, grad_norm=float(n), td_error_mean=None if n % 2 else 0.5) for n in range(1, 13)]
    other = [e.RunStarted(task="t", rank=1), update(1, grad_norm=99.0)]
    histories = project(
        fold_all([*map(record_of, first), *(record_of(event, producer="z") for event in other)])
    ).histories

    assert histories["grad_norm"] == tuple(float(n) for n in range(3, 13))
    assert histories["td_error_mean"] == (None, 0.5) * 5
    assert "bellman_error" not in histories
    assert project(RunState()).histories == {}
