"""Every field has a metric with a label, a unit, a meaning, a question and bands."""

import pytest

from esper_schemas.heads import HEAD_MAX_ENTROPIES, HEADS
from esper_schemas.metrics.catalogue import (
    CATALOGUE,
    DERIVED,
    HEAD_FAMILIES,
    QUANTITIES,
    head_field,
    per_head,
)
from esper_schemas.metrics.metric import Group, Reduction, TelemetryLevel
from esper_schemas.payload import PPOMetrics, PPOUpdatePayload
from esper_schemas.state import TamiyoState

FIELDS = list(QUANTITIES.values())


def test_the_catalogue_lists_the_payloads_fields_in_order():
    """There is one entry per field and no other."""
    assert tuple(CATALOGUE) == PPOMetrics.__struct_fields__


def test_derived_quantities_are_fields_of_the_state_that_no_trainer_sends():
    """The exception is Lv/Lp, which is undefined for a policy loss of 0 and not a field."""
    assert set(DERIVED) - {"loss_ratio"} <= set(TamiyoState.__struct_fields__)
    assert not set(DERIVED) & set(PPOUpdatePayload.__struct_fields__)


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.name)
def test_reduction_over_ranks_is_never_last(field):
    """Reducing over ranks does not depend on their order."""
    assert field.metric.over_ranks is not Reduction.LAST


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.name)
def test_a_metric_explains_itself(field):
    """It has a label, a unit, a sentence of meaning and a question."""
    metric = field.metric

    assert metric.label
    assert metric.unit
    assert metric.meaning.endswith(".")
    assert metric.question.endswith("?")


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.name)
def test_bands_do_not_cross(field):
    """Critical bounds lie outside warning bounds."""
    bands = field.metric.bands
    bounds = [bands.critical_below, bands.warning_below, bands.warning_above, bands.critical_above]
    given = [bound for bound in bounds if bound is not None]

    assert given == sorted(given)


@pytest.mark.parametrize("head", HEADS)
def test_heads_whose_names_share_a_prefix_are_distinguished(head):
    """Every field, such as `head_alpha_target_entropy`, has the maximum of its own head."""
    field = CATALOGUE[head_field(head, "entropy")]

    assert field.head == head
    assert field.maximum == HEAD_MAX_ENTROPIES[head]


def test_per_head_reads_one_family_in_head_order():
    """`per_head` returns a mapping from head to value."""
    payload = PPOUpdatePayload(head_slot_entropy=0.5)

    assert list(per_head(payload, "entropy")) == list(HEADS)
    assert per_head(payload, "entropy")["slot"] == 0.5
    assert {"entropy", "ratio_max", "ratio_min", "grad_norm"} <= set(HEAD_FAMILIES)


def test_tele_ids_of_the_four_records_are_on_their_fields():
    """131, 132, 151 and 170 can be looked up from the field."""
    assert CATALOGUE["policy_loss"].metric.id == "TELE-131"
    assert CATALOGUE["value_loss"].metric.id == "TELE-132"
    assert CATALOGUE["head_tempo_ratio_max"].metric.id == "TELE-151"
    assert CATALOGUE["head_tempo_entropy"].metric.id == "TELE-170"
    assert all(CATALOGUE[name].metric.precision == 3 for name in ("policy_loss", "value_loss"))


@pytest.mark.parametrize("field", CATALOGUE.values(), ids=lambda field: field.name)
def test_what_cannot_be_left_out_is_measured_at_every_level(field):
    """These are the losses, the ratios, counts of faults, and the norm before clipping."""
    faults = ("nan_grad_count", "inf_grad_count", "skipped_steps", "grad_norm_pre_clip")
    ratios = field.name.endswith(("ratio_max", "ratio_min")) and field.name != "initial_ratio_max"
    always = field.name.endswith("_loss") or ratios or field.name in faults

    assert always == (field.metric.level is TelemetryLevel.OFF)


def test_every_group_has_metrics_and_heads_have_their_own():
    """Every group has a metric, and the fields of the heads are exactly those of their group."""
    assert {field.metric.group for field in FIELDS} == set(Group)
    for field in CATALOGUE.values():
        assert (field.head is not None) == (field.metric.group is Group.HEADS)
