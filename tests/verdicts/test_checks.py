"""The values of the trainers' own checks are read from both kinds of events."""

import math

import pytest
from benchmarks.verdicts.checks import check_table, values_of
from benchmarks.verdicts.recording_file import Recording

from esper_schemas.events import PPOUpdateCompleted, ScalarsLogged
from esper_schemas.payload import PPOUpdatePayload


def recording(*events, fault=""):
    """A recording with some events."""
    return Recording(trainer="sb3", task="CartPole", seed=1, fault=fault, events=list(events))


def logged(**values):
    """Values that a library logs."""
    return ScalarsLogged(values=values)


def test_checks_are_read_where_they_are_logged_and_where_a_payload_has_them():
    """What is not a number was not measured."""
    payload = PPOUpdatePayload(scalars={"gae_residual": 0.5})
    run = recording(logged(gae_residual=0.25), PPOUpdateCompleted(update=2, payload=payload),
                    logged(gae_residual=math.nan), logged(other=1.0))  # fmt: skip

    assert values_of(run, "gae_residual") == [0.25, 0.5]


def test_a_correlation_is_averaged_over_five_updates():
    """Single updates may have the wrong sign."""
    run = recording(*(logged(advantage_correlation=value) for value in (1.0, 1.0, -1.0, 1.0, 1.0, -1.0)))

    assert values_of(run, "advantage_correlation") == pytest.approx([0.6, 0.2])


def test_the_table_has_healthy_trainings_first_and_no_loud_faults():
    """Each with its smallest and largest value."""
    lines = list(
        check_table(
            [
                recording(logged(initial_kl=0.5), fault="noisy old log-probs"),
                recording(logged(initial_kl=9.0), fault="learning rate × 100"),
                recording(logged(initial_kl=0.0), logged(initial_kl=0.25)),
            ]
        )
    )

    assert [line.split()[0] for line in lines[1:]] == ["healthy", "noisy"]
    assert "0 … 0.25" in lines[1]
    assert "0.5 … 0.5" in lines[2]
