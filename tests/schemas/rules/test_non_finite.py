"""Latches remember which heads measured NaN or infinity."""

import math

import pytest

from esper_schemas.heads import HEADS
from esper_schemas.metrics.catalogue import CATALOGUE
from esper_schemas.payload import PPOUpdatePayload
from esper_schemas.rules.non_finite import LATCHED_FIELDS, latch


def latched(**fields):
    """The heads with NaN, and those with infinity, in a payload."""
    nan, inf = {}, {}
    latch(nan, inf, PPOUpdatePayload(**fields))
    return set(nan), set(inf)


@pytest.mark.parametrize("name", LATCHED_FIELDS)
def test_every_latched_field_sets_the_latch_of_its_head(name):
    """NaN and infinity have separate latches; finite numbers and unmeasured fields set none."""
    head = CATALOGUE[name].head

    assert latched(**{name: math.nan}) == ({head}, set())
    assert latched(**{name: math.inf}) == latched(**{name: -math.inf}) == (set(), {head})
    assert latched(**{name: 1e300}) == (set(), set())


def test_every_head_has_three_latched_fields():
    """They are entropy, ratio and gradient norm."""
    assert [CATALOGUE[name].head for name in LATCHED_FIELDS] == [*HEADS] * 3


def test_a_latch_stays_set():
    """A later update without NaN does not reset it."""
    nan = {"op": True}
    latch(nan, {}, PPOUpdatePayload(head_op_entropy=0.5))

    assert nan == {"op": True}
