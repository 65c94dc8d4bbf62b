"""The payload and the state have the fields and defaults of the TELE records."""

from typing import get_args, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esper_schemas.codec import decode_event, encode_event
from esper_schemas.events import PPOUpdateCompleted
from esper_schemas.heads import HEADS
from esper_schemas.metrics.catalogue import CATALOGUE
from esper_schemas.payload import PPOMetrics, PPOUpdatePayload
from esper_schemas.state import HISTORY_LENGTH, HISTORY_METRICS, TamiyoState

COUNTS = {name for name, hint in get_type_hints(PPOUpdatePayload).items() if int in get_args(hint)}


def test_tele_131_and_132_losses_are_zero_before_the_first_update():
    """An update that does not measure them leaves them out."""
    assert (TamiyoState().policy_loss, TamiyoState().value_loss) == (0.0, 0.0)
    assert (PPOUpdatePayload().policy_loss, PPOUpdatePayload().value_loss) == (None, None)
    assert TamiyoState().policy_loss_history == TamiyoState().value_loss_history == ()
    assert HISTORY_LENGTH == 10


@pytest.mark.parametrize("head", HEADS)
def test_tele_151_ratios_are_one_before_the_first_update(head):
    """A ratio of 1.0 means that nothing changed; it is not that of a trainer without the head."""
    assert getattr(TamiyoState(), f"head_{head}_ratio_max") == 1.0
    assert getattr(PPOUpdatePayload(), f"head_{head}_ratio_max") is None


@given(st.dictionaries(st.sampled_from(sorted(CATALOGUE)), st.sampled_from([0.0, 1.0, 2.0])))
def test_absent_and_measured_are_two_things_on_the_wire(values):
    """Also where the measured value is a default of the state."""
    values = {name: int(value) if name in COUNTS else value for name, value in values.items()}
    event = PPOUpdateCompleted(update=1, payload=PPOUpdatePayload(**values))
    payload = decode_event(encode_event(event)).payload

    assert {name: value for name in CATALOGUE if (value := getattr(payload, name)) is not None} == values


@pytest.mark.parametrize("head", HEADS)
def test_tele_170_entropies_are_optional_on_the_wire_and_zero_in_the_waiting_state(head):
    """A trainer without the head leaves the field out; it is 0.0 in the state before the first update."""
    assert getattr(PPOUpdatePayload(), f"head_{head}_entropy") is None
    assert getattr(TamiyoState(), f"head_{head}_entropy") == 0.0


def test_every_head_has_every_per_head_field_in_order():
    """A family of per-head fields has one field for each of the eight heads."""
    fields = [name for name in PPOMetrics.__struct_fields__ if name.startswith("head_")]
    families = list(dict.fromkeys(name.removeprefix("head_op_") for name in fields if "_op_" in name))

    assert fields == [f"head_{head}_{family}" for family in families for head in HEADS]


def test_the_state_extends_the_payload():
    """It also has histories, and the previous gradient norm of each head."""
    assert set(PPOMetrics.__struct_fields__) <= set(TamiyoState.__struct_fields__)
    assert {f"{name}_history" for name in HISTORY_METRICS} <= set(TamiyoState.__struct_fields__)
    assert {f"head_{head}_grad_norm_prev" for head in HEADS} <= set(TamiyoState.__struct_fields__)
