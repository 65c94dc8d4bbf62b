"""A value outside of the declared range of its metric is not read as a large or a small one."""

import pytest

from esper_schemas.declarations import HeadSpec
from esper_schemas.metrics.catalogue import CATALOGUE
from esper_schemas.payload import HeadMeasures, PPOUpdatePayload
from esper_schemas.rules.declared_ranges import RANGES, Definitions, range_text
from esper_schemas.rules.symptoms import SymptomState as State
from esper_schemas.rules.symptoms import Watchlist
from esper_schemas.rules.watches import IMPLAUSIBLE

DISCRETE, CONTINUOUS = HeadSpec("move", 4), HeadSpec("aim")


def symptoms(*payloads, heads=(), conventions=None):
    """The names and metrics of the symptoms after some updates."""
    state, watchlist = State(), Watchlist()
    for update, fields in enumerate(payloads, 1):
        payload = PPOUpdatePayload(**fields)
        watchlist.update_completed(state, update, payload, (), Definitions(heads, conventions or {}))
    return {(symptom.name, symptom.metric) for symptom in state.symptoms()}


@pytest.mark.parametrize(
    ("metric", "value"),
    [
        ("explained_variance", 1.7),
        ("clip_fraction", 40.0),
        ("clip_fraction", -0.1),
        ("value_loss", -3.0),
        ("entropy_normalized", 1.2),
        ("advantage_std", -1.0),
        ("grad_norm_pre_clip", -5.0),
        ("learning_rate", -3e-4),
        ("epochs_completed", -1),
        ("head_op_ratio_max", -2.0),
        ("head_op_entropy", 9.0),  # its largest possible one is ln 6
        ("value_return_correlation", -1.5),
        ("advantage_positive_share", 50.0),  # no rule reads it
    ],
)
def test_a_value_outside_of_its_range_is_implausible_and_nothing_else(metric, value):
    """Also where it would be far beyond the bound of another watch."""
    assert symptoms({metric: value}) == {(IMPLAUSIBLE, metric)}


def test_an_implausible_value_does_not_move_a_level():
    """Ten negative losses, and then the first one that can be true: there is nothing to compare it with."""
    assert symptoms(*[{"value_loss": -1e-9}] * 2, *[{"value_loss": -5.0}] * 10, {"value_loss": 5.0}) == {
        (IMPLAUSIBLE, "value_loss")
    }


@pytest.mark.parametrize("metric", RANGES)
def test_bounds_of_a_range_are_within_it(metric):
    """So are values beyond them by a rounding error, and those that are not finite are another symptom."""
    found = CATALOGUE[metric].metric
    bounds = [bound for bound in (found.minimum, found.maximum) if bound is not None]
    for value in (*bounds, *[bound - 1.5e-10 for bound in bounds], *[bound + 1.5e-10 for bound in bounds]):
        assert (IMPLAUSIBLE, metric) not in symptoms({metric: value})
    assert (IMPLAUSIBLE, metric) not in symptoms({metric: float("nan")}) | symptoms({metric: float("inf")})


@pytest.mark.parametrize("convention", [None, "k1"])
def test_an_estimate_of_the_kl_divergence_may_be_negative(convention):
    """That of k1, and that of a trainer which does not declare its estimator."""
    conventions = {"kl_divergence": convention} if convention else {}

    assert symptoms({"kl_divergence": -0.02}, conventions=conventions) == set()


@pytest.mark.parametrize("convention", ["k2", "k3", "exact", "exact or k2"])
def test_other_estimators_of_the_kl_divergence_are_not_negative(convention):
    """Rounding errors aside; a large negative one is not a large update."""
    conventions = {"kl_divergence": convention}

    assert symptoms({"kl_divergence": -1.5e-10}, conventions=conventions) <= {("no_kl", "kl_without_clips")}
    found = symptoms(*[{"kl_divergence": -0.5}] * 9, conventions=conventions)
    assert found == {(IMPLAUSIBLE, "kl_divergence")}


@pytest.mark.parametrize(
    ("heads", "fields", "expected"),
    [
        ((DISCRETE,), {"entropy": -3.0}, {(IMPLAUSIBLE, "entropy")}),
        ((), {"entropy": -3.0, "head_op_entropy": 1.0}, {(IMPLAUSIBLE, "entropy")}),
        ((DISCRETE, CONTINUOUS), {"entropy": -3.0}, set()),
        ((), {"entropy": -3.0}, set()),
        ((), {"log_prob_max": 2.0}, set()),
        ((DISCRETE,), {"log_prob_max": 2.0}, {(IMPLAUSIBLE, "log_prob_max")}),
    ],
)
def test_an_entropy_is_negative_for_continuous_actions_only(heads, fields, expected):
    """Without a declared head, and without those of Tamiyo, the actions may be continuous."""
    assert symptoms(fields, heads=heads) == expected


@pytest.mark.parametrize(
    ("spec", "measured", "families"),
    [
        (DISCRETE, {"entropy": 9.0}, {"entropy"}),
        (DISCRETE, {"entropy": -1.0, "clip_fraction": 40.0}, {"entropy", "clip_fraction"}),
        (CONTINUOUS, {"entropy": -9.0}, set()),
        (HeadSpec("move"), {"entropy": 99.0}, set()),
        (DISCRETE, {"kl_divergence": -0.1}, set()),
        (DISCRETE, {"ratio_max": -9.0}, {"ratio_max"}),
    ],
)
def test_own_heads_have_the_ranges_of_their_size(spec, measured, families):
    """A head of unknown size has no range for its entropy."""
    state, watchlist = State(), Watchlist()
    event = type(
        "Event", (), {"update": 1, "payload": PPOUpdatePayload(heads={"h": HeadMeasures(**measured)})}
    )
    watchlist.heads_measured(state, event, {"h": spec}, [])
    watchlist.update_completed(state, 1, event.payload)

    found = {(s.name, s.metric, s.head) for s in state.symptoms()}
    assert found == {(IMPLAUSIBLE, f"heads/{spec.name}/{family}", spec.name) for family in families}


def test_a_range_is_written_without_its_tolerance():
    """One bound or two."""
    assert range_text(*RANGES["clip_fraction"]) == "between 0 and 1"
    assert range_text(*RANGES["value_loss"]) == "at least 0"
    assert range_text(*RANGES["explained_variance"]) == "at most 1"
