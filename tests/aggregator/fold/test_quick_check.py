"""The compiled test that nearly every update passes."""

import math

import pytest

from esper_aggregator.fold.quick_check import usual_test
from esper_schemas.payload import PPOUpdatePayload

IS_USUAL = usual_test({"kl_divergence": (0.0, 0.03), "clip_fraction": (-1.0, 0.3)}, {"growth": (0.5, 2.0)})


def payload(kl_divergence=0.01, clip_fraction=0.1):
    """A usual payload, but for what is given."""
    return PPOUpdatePayload(kl_divergence=kl_divergence, clip_fraction=clip_fraction)


def test_values_within_their_ranges_are_usual():
    """Both ends are within."""
    assert IS_USUAL(payload(), 1.0)
    assert IS_USUAL(payload(kl_divergence=0.0, clip_fraction=0.3), 2.0)


@pytest.mark.parametrize("value", [0.31, -1.01, math.nan, math.inf, -math.inf])
def test_one_value_beyond_its_range_is_not_usual(value):
    """Whichever side it is on, and NaN is on neither."""
    assert not IS_USUAL(payload(clip_fraction=value), 1.0)
    assert not IS_USUAL(payload(), math.nan)


def test_what_was_not_measured_is_said_so():
    """The caller then looks at one value after the other."""
    with pytest.raises(TypeError):
        IS_USUAL(payload(kl_divergence=None), 1.0)
