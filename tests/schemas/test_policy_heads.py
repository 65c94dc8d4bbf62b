"""The heads of a policy: Tamiyo's eight, or those that a run declares, through one set of functions."""

import math

import pytest

from esper_schemas.declarations import HeadSpec
from esper_schemas.heads import ENTROPY_COEFFICIENT_MULTIPLIERS, HEAD_MAX_ENTROPIES, HEADS
from esper_schemas.judgement import HeadCondition, Health, head_condition, judge_field
from esper_schemas.metrics.catalogue import HEAD_FAMILIES
from esper_schemas.payload import HeadMeasures
from esper_schemas.policy_heads import (
    OWN_FAMILIES,
    TAMIYO_HEADS,
    head_quantity,
    head_value,
    heads_of,
    is_any_measured,
    max_entropy,
    split_own,
)
from esper_schemas.run_metrics import metric_field
from esper_schemas.state import TamiyoState


def state_of(spec, **measures):
    """The state of a run with one own head after an update."""
    heads = {spec.name: HeadMeasures(**measures)}
    return TamiyoState(ppo_data_received=True, head_specs=(spec,), heads=heads)


def test_a_run_that_declares_no_head_has_the_eight_of_tamiyo():
    """They have their sizes and coefficients, and their flat fields."""
    state = TamiyoState(head_op_entropy=0.7)

    assert heads_of(state) == TAMIYO_HEADS
    assert {spec.name: max_entropy(spec) for spec in TAMIYO_HEADS} == HEAD_MAX_ENTROPIES
    assert {s.name: s.entropy_coefficient for s in TAMIYO_HEADS} == ENTROPY_COEFFICIENT_MULTIPLIERS
    assert head_quantity(state, "op", "entropy") == "head_op_entropy"
    assert head_value(state, "op", "entropy") == 0.7


def test_an_own_head_has_every_family_of_the_eight_and_a_standard_deviation():
    """The value of each is found by its name."""
    measures = {family: float(place) for place, family in enumerate(OWN_FAMILIES)}
    state = state_of(HeadSpec("move", 5), **measures)

    assert set(OWN_FAMILIES) == {*HEAD_FAMILIES, "std"}
    assert {family: head_value(state, "move", family) for family in OWN_FAMILIES} == measures
    assert head_quantity(state, "move", "std") == "heads/move/std"


@pytest.mark.parametrize("size", [None, 0, 1, -1, 2**64])
def test_a_head_without_a_finite_choice_has_no_maximum_entropy(size):
    """Its entropy has no bounds and may be negative."""
    state = state_of(HeadSpec("move", size), entropy=-5.0)
    field = metric_field(state, "heads/move/entropy")

    assert max_entropy(HeadSpec("move", size)) is None
    assert (field.maximum, field.metric.minimum) == (1.0, None)
    assert judge_field(state, "heads/move/entropy") is Health.OK


def test_names_of_heads_may_contain_anything():
    """The family is what follows the last slash."""
    assert split_own("heads/a/b ✗/entropy") == ("a/b ✗", "entropy")
    assert split_own("heads/entropy") is None
    assert split_own("heads/move/weight") is None
    assert split_own("head_op_entropy") is None


def test_an_unknown_quantity_raises():
    """A metric is never made up."""
    with pytest.raises(KeyError):
        metric_field(TamiyoState(), "heads/move/weight")


@pytest.mark.parametrize(
    ("size", "measures", "condition"),
    [
        (5, {"entropy": 0.05}, HeadCondition.DETERMINISTIC),
        (5, {"entropy": 0.05, "grad_norm": 0.5}, HeadCondition.DETERMINISTIC),
        (5, {"entropy": 0.05, "grad_norm": 0.001}, HeadCondition.DEAD),
        (5, {"entropy": 0.8, "grad_norm": 0.5}, HeadCondition.HEALTHY),
        (5, {"entropy": 1.6, "grad_norm": 0.5}, HeadCondition.CONFUSED),
        (5, {"entropy": 0.8}, HeadCondition.UNREMARKABLE),
        (5, {"ratio_max": 1.0}, HeadCondition.NOT_MEASURED),
        (
            5,
            {"entropy": 0.05, "grad_norm": 0.5, "learnable_fraction": 0.0},
            HeadCondition.EXPECTED_DETERMINISTIC,
        ),
        (1, {"entropy": 0.0, "grad_norm": 0.0}, HeadCondition.EXPECTED_DETERMINISTIC),
        (None, {"entropy": -3.0, "grad_norm": 0.001}, HeadCondition.UNREMARKABLE),
        (None, {"entropy": -3.0, "grad_norm": 9.0}, HeadCondition.EXPLODING),
        (None, {"entropy": math.nan}, HeadCondition.NOT_FINITE),
    ],
)
def test_the_condition_of_an_own_head_follows_from_its_own_maximum(size, measures, condition):
    """0.8 nats are half of the entropy of five choices; a continuous head cannot be deterministic."""
    assert head_condition(state_of(HeadSpec("move", size), **measures), "move") is condition


def test_a_run_may_measure_no_head():
    """One value of one head is enough."""
    assert not is_any_measured(TamiyoState(**dict.fromkeys(_flat_fields())))
    assert is_any_measured(TamiyoState(**dict.fromkeys(_flat_fields()) | {"head_slot_kl_divergence": 0.0}))
    assert is_any_measured(state_of(HeadSpec("move", 5), entropy=1.0))


def _flat_fields():
    return [f"head_{head}_{family}" for head in HEADS for family in HEAD_FAMILIES]
