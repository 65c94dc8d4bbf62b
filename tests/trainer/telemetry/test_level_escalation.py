"""After an anomaly the telemetry level is raised for some updates."""

import pytest

pytest.importorskip("torch")

from esper_schemas.events import TelemetryEscalated
from esper_schemas.metrics.metric import TelemetryLevel
from esper_trainer.telemetry.level_escalation import LevelEscalation


def levels(escalation, first, last):
    """The level of each update."""
    return [escalation.level(update) for update in range(first, last + 1)]


NORMAL, DEBUG = TelemetryLevel.NORMAL, TelemetryLevel.DEBUG


def test_l5_the_level_is_raised_for_as_long_as_the_kind_asks():
    """For drift these are two updates, from the next but one on; the event has the last one."""
    escalation = LevelEscalation(NORMAL)
    (event,) = escalation.after(10, ["gradient_drift"])

    assert event == TelemetryEscalated(update=10, level=DEBUG, until_update=13, reason="gradient_drift")
    assert levels(escalation, 10, 14) == [NORMAL, NORMAL, DEBUG, DEBUG, NORMAL]


def test_the_longest_of_several_escalations_counts():
    """Numerical instability escalates longest; an escalation that would end earlier emits no event."""
    escalation = LevelEscalation(NORMAL)
    (event,) = escalation.after(1, ["gradient_drift", "numerical_instability"])

    assert (event.until_update, event.reason) == (12, "numerical_instability")
    assert escalation.after(2, ["kl_spike"]) == []
    assert escalation.after(3, []) == []
    assert escalation.after(9, ["kl_spike"])[0].until_update == 15
    assert levels(escalation, 12, 16) == [DEBUG] * 4 + [NORMAL]


def test_a_recurring_kind_seldom_raises_the_level():
    """After 2 updates at DEBUG, drift is ignored for 20 times as many; other kinds are not."""
    escalation = LevelEscalation(NORMAL)
    raised = [update for update in range(1, 101) if escalation.after(update, ["gradient_drift"])]

    assert raised == [1, 41, 81]
    assert escalation.after(100, ["gradient_drift", "kl_spike"])[0].reason == "kl_spike"


def test_a_cooldown_continues_from_its_state():
    """A resumed run raises the level when the uninterrupted one does."""
    first, second = LevelEscalation(NORMAL), LevelEscalation(NORMAL)
    first.after(1, ["gradient_drift"])
    second.load(first.state())

    assert second.after(40, ["gradient_drift"]) == []
    assert second.after(41, ["gradient_drift"]) != []


def test_l5_a_kind_that_is_switched_off_does_not_raise_the_level():
    """The anomaly itself is reported as before; another kind of the same update still raises the level."""
    escalation = LevelEscalation(NORMAL, {"kl_spike": 0, "ratio_explosion": 1})

    assert escalation.after(1, ["kl_spike"]) == []
    assert escalation.after(2, ["kl_spike", "ratio_explosion"]) == [
        TelemetryEscalated(update=2, level=DEBUG, until_update=4, reason="ratio_explosion")
    ]
    assert levels(escalation, 1, 5) == [NORMAL] * 3 + [DEBUG, NORMAL]


@pytest.mark.parametrize("asked", [TelemetryLevel.OFF, TelemetryLevel.DEBUG])
def test_off_and_debug_are_not_raised(asked):
    """No event is emitted."""
    escalation = LevelEscalation(asked)

    assert escalation.after(1, ["kl_spike"]) == []
    assert escalation.level(3) == asked


def test_a_raised_level_continues_from_its_state():
    """A checkpoint is written between the anomaly and the end of its escalation."""
    first, second = LevelEscalation(NORMAL), LevelEscalation(NORMAL)
    first.after(10, ["kl_spike"])
    second.load(first.state())

    assert levels(second, 10, 20) == levels(first, 10, 20)
    assert DEBUG in levels(second, 10, 20)
