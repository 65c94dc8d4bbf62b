"""A recording is read as it was written."""

import math

import pytest
from benchmarks.verdicts.recording_file import Recording, read_recording, write_recording

from esper_schemas.events import (
    NumericalInstabilityReported,
    PPOUpdateCompleted,
    RolloutCompleted,
    RunStarted,
    ScalarsLogged,
)
from esper_schemas.payload import PPOUpdatePayload

EVENTS = [
    RunStarted(
        task="CartPole", seed=3, config={"epochs": 4, "schedule": "linear", "clip": 0.25, "none": None}
    ),
    ScalarsLogged(values={"losses/value_loss": 0.5, "count": 7}, step=256),
    PPOUpdateCompleted(update=1, payload=PPOUpdatePayload(kl_divergence=0.125)),
    RolloutCompleted(update=1, mean_return=-1.5, stage_counts=(1, 0, 2)),
    ScalarsLogged(values={"losses/value_loss": math.inf, "count": 2**40}, step=512),
    NumericalInstabilityReported(update=2, nan_count=1, inf_count=0, where=("loss",)),
    ScalarsLogged(values={"losses/value_loss": -0.0, "count": -3}, step=768),
]


def test_events_are_read_as_they_were_written(tmp_path):
    """All fields, in their order, with the facts about the training."""
    recording = Recording(
        trainer="sb3", task="CartPole", seed=3, fault="NaN reward", twin="sb3-CartPole-3", begins=5,
        ended="ValueError", marks=[3, 7], true_returns=[1.5, math.inf], events=EVENTS,
    )  # fmt: skip
    write_recording(tmp_path / "a.run", recording)

    assert read_recording(tmp_path / "a.run") == recording
    assert list(recording.updates) == [5, 6]


def test_nan_remains_nan(tmp_path):
    """It is not read as a value that was not measured."""
    recording = Recording(trainer="", task="", seed=0, events=[ScalarsLogged(values={"loss": math.nan})])
    write_recording(tmp_path / "a.run", recording)

    (event,) = read_recording(tmp_path / "a.run").events
    assert math.isnan(event.values["loss"])


def test_fractions_have_four_digits_unless_they_are_too_large(tmp_path):
    """Columns with larger numbers are float64."""
    values = {"small": 0.1, "large": 1.1e200}
    recording = Recording(trainer="", task="", seed=0, events=[ScalarsLogged(values=values)])
    write_recording(tmp_path / "a.run", recording)

    (event,) = read_recording(tmp_path / "a.run").events
    assert event.values["small"] == pytest.approx(0.1, rel=6.2e-5)
    assert event.values["small"] != 0.1
    assert event.values["large"] == 1.1e200


@pytest.mark.parametrize("damage", [lambda raw: raw[:40], lambda raw: b"", lambda raw: b"x" + raw])
def test_a_damaged_file_is_refused_by_name(tmp_path, damage):
    """The error names the file."""
    path = tmp_path / "a.run"
    write_recording(path, Recording(trainer="", task="", seed=0, events=EVENTS))
    path.write_bytes(damage(path.read_bytes()))

    with pytest.raises(ValueError, match=r"a\.run is not a recording"):
        read_recording(path)
