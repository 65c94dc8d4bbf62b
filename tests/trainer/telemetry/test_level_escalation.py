"""After an anomaly more is measured for a while, and then as much as was asked for."""

import pytest

pytest.importorskip("torch")

from esper_schemas.events import AnomalyDetected, TelemetryEscalated
from esper_schemas.metrics.metric import TelemetryLevel
from esper_trainer.telemetry.level_escalation import LevelEscalation


def anomaly(kind):
    """An anomaly of a kind."""
    return AnomalyDetected(update=1, anomaly=kind, severity="critical")


def levels(escalation, first, last):
    """The level of each update."""
    return [escalation.level(update) for update in range(first, last + 1)]


NORMAL, DEBUG = TelemetryLevel.NORMAL, TelemetryLevel.DEBUG


def test_l5_the_level_is_raised_for_as_long_as_the_kind_asks():
    """Drift for two updates, beginning with the next but one; the event says until when."""
    escalation = LevelEscalation(NORMAL)
    (event,) = escalation.after(10, [anomaly("gradient_drift")])

    assert event == TelemetryEscalated(update=10, level=DEBUG, until_update=13, reason="gradient_drift")
    assert levels(escalation, 10, 14) == [NORMAL, NORMAL, DEBUG, DEBUG, NORMAL]


def test_the_most_lasting_of_several_counts():
    """Broken arithmetic is looked at longest; what would end earlier is not told."""
    escalation = LevelEscalation(NORMAL)
    (event,) = escalation.after(1, [anomaly("gradient_drift"), anomaly("numerical_instability")])

    assert (event.until_update, event.reason) == (12, "numerical_instability")
    assert escalation.after(2, [anomaly("kl_spike")]) == []
    assert escalation.after(3, []) == []
    assert escalation.after(9, [anomaly("kl_spike")])[0].until_update == 15
    assert levels(escalation, 12, 16) == [DEBUG] * 4 + [NORMAL]


def test_a_kind_that_comes_back_all_the_time_raises_the_level_seldom():
    """After 2 updates of DEBUG drift rests until 20 times as many have passed; other kinds do not."""
    escalation = LevelEscalation(NORMAL)
    told = [update for update in range(1, 101) if escalation.after(update, [anomaly("gradient_drift")])]

    assert told == [1, 41, 81]
    assert escalation.after(100, [anomaly("gradient_drift"), anomaly("kl_spike")])[0].reason == "kl_spike"


def test_a_rest_goes_on_from_its_state():
    """A resumed run raises the level when the uninterrupted one does."""
    first, second = LevelEscalation(NORMAL), LevelEscalation(NORMAL)
    first.after(1, [anomaly("gradient_drift")])
    second.load(first.state())

    assert second.after(40, [anomaly("gradient_drift")]) == []
    assert second.after(41, [anomaly("gradient_drift")]) != []


@pytest.mark.parametrize("asked", [TelemetryLevel.OFF, TelemetryLevel.DEBUG])
def test_off_stays_off_and_debug_has_nothing_to_raise(asked):
    """Nothing is told."""
    escalation = LevelEscalation(asked)

    assert escalation.after(1, [anomaly("kl_spike")]) == []
    assert escalation.level(3) == asked


def test_it_goes_on_from_its_state():
    """A checkpoint between the anomaly and its end."""
    first, second = LevelEscalation(NORMAL), LevelEscalation(NORMAL)
    first.after(10, [anomaly("kl_spike")])
    second.load(first.state())

    assert levels(second, 10, 20) == levels(first, 10, 20)
    assert DEBUG in levels(second, 10, 20)
