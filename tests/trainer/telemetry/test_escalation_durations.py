"""For how many updates a kind of anomaly raises the telemetry level, by default and by a user's text."""

import pytest

from esper_schemas.errors import InvalidArgument
from esper_schemas.rules.rules import ESCALATION
from esper_trainer.config import TrainingConfig
from esper_trainer.telemetry.escalation_durations import escalation_updates, parse_escalation


def test_l5_each_kind_has_a_duration_of_its_own():
    """Numerical instability is measured longest, drift shortest, and what is no fault not at all."""
    updates = {kind: escalation_updates(kind, {}) for kind in ESCALATION}

    assert max(updates, key=updates.get) == "numerical_instability"
    assert updates["gradient_drift"] == min(count for count in updates.values() if count)
    assert updates["policy_converged"] == 0


def test_l5_a_kind_is_switched_off_or_given_another_duration():
    """The kinds that are not named keep theirs."""
    overrides = parse_escalation("kl_spike=0,lstm_explosion=20")

    assert escalation_updates("kl_spike", overrides) == 0
    assert escalation_updates("lstm_explosion", overrides) == 20
    assert escalation_updates("gradient_drift", overrides) == ESCALATION["gradient_drift"]


def test_l5_all_stands_for_the_kinds_that_are_not_named():
    """Only a NaN is examined."""
    overrides = parse_escalation("all=0,numerical_instability=3")
    updates = {kind: escalation_updates(kind, overrides) for kind in ESCALATION}

    assert {kind: count for kind, count in updates.items() if count} == {"numerical_instability": 3}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("kl_spikes=0", "did you mean kl_spike"),
        ("nonsense=1", "choose from all, numerical_instability"),
        ("kl_spike=1,kl_spike=2", "kl_spike twice"),
        ("kl_spike", "KIND=UPDATES"),
        ("kl_spike=-1", "KIND=UPDATES"),
        ("kl_spike=1;lstm_explosion=2", "KIND=UPDATES"),
        ("kl_spike=1234567", "KIND=UPDATES"),
    ],
)
def test_a_text_that_cannot_be_applied_is_refused(text, reason):
    """The sentence says what to write instead."""
    with pytest.raises(InvalidArgument, match=reason):
        TrainingConfig(escalation=text)
