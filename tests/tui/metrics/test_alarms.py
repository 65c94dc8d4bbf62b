"""Tests of esper_tui.metrics.alarms: a value is in alarm while it shows a finding."""

import math

import pytest
from msgspec import structs

from esper_schemas.findings import Symptom
from esper_schemas.judgement import Health
from esper_tui.metrics.alarms import alarm_of, finding_about, return_alarm, worst


@pytest.fixture
def found(make_snapshot, with_finding):
    """A snapshot with a critical finding about the KL divergence, and a warning about it and the clipping."""
    snapshot = with_finding(make_snapshot(), "kl_divergence")
    return with_finding(snapshot, "kl_divergence", "clip_fraction", severity="warning")


@pytest.mark.parametrize("beyond", [Health.WARNING, Health.CRITICAL, Health.NOT_FINITE])
def test_the_alarm_is_the_severity_of_the_worst_finding(found, beyond):
    """Whichever band the value is beyond; a metric that no finding is about has none."""
    assert alarm_of(found, "kl_divergence", beyond) is Health.CRITICAL
    assert alarm_of(found, "clip_fraction", beyond) is Health.WARNING
    assert alarm_of(found, "value_loss", beyond) is Health.OK


def test_a_notice_is_not_an_alarm(make_snapshot, with_finding):
    """A policy that has converged has a low entropy."""
    snapshot = with_finding(make_snapshot(), "entropy", severity="notice")

    assert alarm_of(snapshot, "entropy", Health.CRITICAL) is Health.OK
    assert finding_about(snapshot, "entropy") is None


@pytest.mark.parametrize(("active", "alarm"), [(True, Health.CRITICAL), (False, Health.OK)])
def test_a_value_within_its_bands_is_in_alarm_while_it_is_a_symptom(found, active, alarm):
    """A KL divergence of 0 is within its bands; a finding can outlast its sign."""
    symptom = Symptom(name="no_kl", metric="kl_divergence", active=active)

    assert alarm_of(structs.replace(found, symptoms=(symptom,)), "kl_divergence", Health.OK) is alarm


@pytest.mark.parametrize("health", [Health.WAITING, Health.NOT_MEASURED])
def test_what_has_no_value_is_not_in_alarm(found, health):
    """There is nothing to mark."""
    assert alarm_of(found, "kl_divergence", health) is Health.OK


def test_the_mean_return_is_in_alarm_if_it_is_not_finite(make_snapshot, with_finding):
    """Or while it is a symptom; it has no bands."""
    snapshot = with_finding(make_snapshot(mean_return=math.nan), "mean_return")
    fell = structs.replace(
        with_finding(make_snapshot(), "mean_return"),
        symptoms=(Symptom(name="lost_return", metric="lost_return"),),
    )

    assert return_alarm(snapshot) is return_alarm(fell) is Health.CRITICAL
    assert return_alarm(with_finding(make_snapshot(), "mean_return")) is Health.OK


def test_the_worst_of_no_alarms_is_none():
    """A critical one is worse than a warning."""
    assert worst() is Health.OK
    assert worst(Health.WARNING, Health.OK, Health.CRITICAL) is Health.CRITICAL
