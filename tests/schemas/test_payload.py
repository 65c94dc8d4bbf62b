"""The payload and the state have the fields and defaults of the TELE records."""

import pytest

from esper_schemas.heads import HEADS
from esper_schemas.payload import PPOMetrics, PPOUpdatePayload
from esper_schemas.state import HISTORY_LENGTH, HISTORY_METRICS, TamiyoState


def test_tele_131_and_132_losses_default_to_zero():
    """Policy and value loss are 0.0 before they are measured."""
    assert PPOUpdatePayload().policy_loss == 0.0
    assert PPOUpdatePayload().value_loss == 0.0
    assert TamiyoState().policy_loss_history == TamiyoState().value_loss_history == ()
    assert HISTORY_LENGTH == 10


@pytest.mark.parametrize("head", HEADS)
def test_tele_151_ratios_default_to_one(head):
    """A ratio of 1.0 means that nothing changed."""
    assert getattr(PPOUpdatePayload(), f"head_{head}_ratio_max") == 1.0
    assert getattr(TamiyoState(), f"head_{head}_ratio_max") == 1.0


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
