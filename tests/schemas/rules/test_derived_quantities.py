"""Quantities that are not in the payload are derived from it and from earlier updates."""

import math

import pytest

from esper_schemas.payload import PPOUpdatePayload
from esper_schemas.rules.anomaly_rules import DERIVED_QUANTITIES, RETURN_SKIPPED, RETURN_WARM_UP
from esper_schemas.rules.derived_quantities import DerivedQuantities


def quantities(mean_return=1.0, progress=0.5, **fields):
    """The quantities of a first update."""
    return DerivedQuantities().of(PPOUpdatePayload(**fields), mean_return, progress)


def test_all_quantities_that_the_rules_name_are_derived():
    """No others are derived."""
    assert set(quantities()) == set(DERIVED_QUANTITIES)


def test_everything_that_is_not_finite_is_counted():
    """This includes values of the payload, the return, and entries of the gradient: 1 + 1 + 1 + 2 + 3."""
    found = quantities(
        mean_return=math.nan, policy_loss=math.inf, entropy=math.nan, nan_grad_count=2, inf_grad_count=3
    )

    assert found["not_finite"] == 8.0
    assert quantities()["not_finite"] == 0.0


@pytest.mark.parametrize(("flag", "varies"), [(0.0, True), (None, True), (1.0, False)])
def test_the_critic_is_evaluated_only_where_returns_vary(flag, varies):
    """Otherwise its explained variance and the spread of its values are None."""
    found = quantities(return_variance_low=flag, explained_variance=0.2, value_std=1.0, return_std=4.0)

    assert (found["explained_variance"], found["value_spread"]) == ((0.2, 0.25) if varies else (None, None))


@pytest.mark.parametrize(("values", "returns"), [(None, 1.0), (1.0, None), (1.0, 0.0)])
def test_a_spread_needs_both_deviations(values, returns):
    """It is None without values, without returns, and where all returns are equal."""
    assert quantities(value_std=values, return_std=returns)["value_spread"] is None


def drops(*returns, progress=0.5):
    """The drop of each mean return."""
    derived = DerivedQuantities()
    return [derived.of(PPOUpdatePayload(), mean_return, progress)["return_drop"] for mean_return in returns]


def test_a_drop_of_the_return_is_in_units_of_the_tolerated_one():
    """After a warm-up with returns of 10, a tenth of them is tolerated; a drop from 10 to 8 is twice that."""
    assert drops(*[10.0] * RETURN_WARM_UP, 8.0) == [None] * RETURN_WARM_UP + [pytest.approx(2.0)]


def test_the_first_part_of_a_run_has_no_return_drop():
    """A return that is not finite has none either."""
    assert drops(*[10.0] * RETURN_WARM_UP, 8.0, progress=RETURN_SKIPPED)[-1] is None
    assert drops(*[10.0] * RETURN_WARM_UP, math.nan)[-1] is None


def test_quantities_continue_from_their_state():
    """The state has three averages, like a checkpoint of 0.1.0: pairs of a sum and a count."""
    first, second = DerivedQuantities(), DerivedQuantities()
    payload = PPOUpdatePayload(grad_norm_pre_clip=2.0)
    for _ in range(12):
        first.of(payload, 10.0, 0.5)
    state = first.state()
    second.load(state)

    counts = {name: count for name, (_, count) in state.items()}
    assert counts == {"return": 12, "deviation": 11, "gradient": 12}
    spike = PPOUpdatePayload(grad_norm_pre_clip=9.0)
    assert second.of(spike, 3.0, 0.5) == first.of(spike, 3.0, 0.5)
    assert second.state() == first.state()
