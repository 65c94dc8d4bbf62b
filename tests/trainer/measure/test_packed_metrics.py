"""The metrics are the fields of the payload; what was not measured is not confused with NaN."""

import math

import pytest
import torch

from esper_schemas.metrics.catalogue import CATALOGUE
from esper_schemas.metrics.metric import TelemetryLevel
from esper_schemas.payload import PPOMetrics
from esper_trainer.measure.packed_metrics import (
    FINAL_FIELDS,
    HOST_FIELDS,
    SCHEMAS,
    MeasuredValue,
    UpdateMetrics,
    payload_of,
)

NORMAL = TelemetryLevel.NORMAL


@pytest.fixture
def measurements():
    """Measurements 1, 2, 3, ... in the order of the schema."""
    fields = {
        name: MeasuredValue(torch.tensor(index + 1.0), torch.tensor(True))
        for index, name in enumerate(SCHEMAS[NORMAL].plain)
    }
    families = {
        family: MeasuredValue(
            torch.arange(8.0) + len(SCHEMAS[NORMAL].plain) + 8 * index + 1, torch.ones(8, dtype=torch.bool)
        )
        for index, family in enumerate(SCHEMAS[NORMAL].families)
    }
    return UpdateMetrics(fields, families)


def test_update_and_host_together_are_the_payload():
    """Every metric of the payload has a producer; our trainer has no metrics of its own."""
    assert {*SCHEMAS[TelemetryLevel.DEBUG].names, *HOST_FIELDS, *FINAL_FIELDS} == set(CATALOGUE)
    assert set(CATALOGUE) == set(PPOMetrics.__struct_fields__)
    assert len(SCHEMAS[NORMAL].names) == len(set(SCHEMAS[NORMAL].names))


def test_every_value_arrives_in_its_field(measurements):
    """Measurement n is field n of the schema."""
    payload = payload_of(measurements, NORMAL, {"update_time_ms": 7.5})

    assert [getattr(payload, name) for name in SCHEMAS[NORMAL].names] == list(
        range(1, len(SCHEMAS[NORMAL].names) + 1)
    )
    assert payload.update_time_ms == 7.5
    assert payload.head_op_entropy == len(SCHEMAS[NORMAL].plain) + 1


def test_counts_are_whole_numbers(measurements):
    """Their type is int, as in the payload."""
    payload = payload_of(measurements, NORMAL, {})

    for name in ("nan_grad_count", "inf_grad_count", "epochs_completed", "skipped_steps"):
        assert isinstance(getattr(payload, name), int)


def test_not_measured_and_not_finite_are_distinguished(measurements):
    """None, NaN and infinity are unchanged."""
    entropy = MeasuredValue(
        torch.tensor([math.nan, math.inf, -math.inf, 0.0, 5.0, 5.0, 5.0, 5.0]),
        torch.tensor([True, True, True, True, False, False, False, False]),
    )
    measurements.families["entropy"] = entropy

    payload = payload_of(measurements, NORMAL, {})

    assert math.isnan(payload.head_op_entropy)
    assert payload.head_slot_entropy == math.inf
    assert payload.head_blueprint_entropy == -math.inf
    assert payload.head_style_entropy == 0.0
    assert payload.head_tempo_entropy is None


def test_a_measurement_without_a_field_is_refused(measurements):
    """Otherwise a misspelt name would be ignored silently."""
    measurements.fields["entropie"] = measurements.fields["entropy"]

    with pytest.raises(KeyError, match="entropie"):
        payload_of(measurements, NORMAL, {})


def test_a_field_without_a_measurement_is_refused(measurements):
    """A field cannot be left out by mistake."""
    del measurements.fields["entropy"]

    with pytest.raises(KeyError, match="entropy"):
        payload_of(measurements, NORMAL, {})
