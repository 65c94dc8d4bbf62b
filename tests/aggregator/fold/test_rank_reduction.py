"""Several ranks are merged into one learner by each metric's reduction, in any order."""

import math

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.aggregator.fold.examples import update
from tests.aggregator.fold.validated import fold_all, project

from esper_aggregator.fold.rank_reduction import common_updates, merge, pooled_deviation, weighted_mean
from esper_schemas import events as e
from esper_schemas.codec import encode_snapshot
from esper_schemas.payload import PPOUpdatePayload


def merged(name, *values):
    """One field of ranks that measured these values."""
    return getattr(merge([PPOUpdatePayload(**{name: value}) for value in values]), name)


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("policy_loss", (1.0, 2.0, 6.0), 3.0),  # mean: 9 / 3
        ("grad_norm_pre_clip", (1.0, 7.0, 2.0), 7.0),  # max
        ("joint_ratio_min", (0.9, 0.4, 1.0), 0.4),  # min
        ("nan_grad_count", (1, 0, 4), 5),  # sum
        ("kl_divergence", (0.01, None, 0.03), 0.02),  # only what was measured
        ("kl_divergence", (None, None), None),
        ("nan_grad_count", (None, 3), 3),
        ("value_loss", (1.0, math.inf), math.inf),
        ("joint_ratio_min", (0.5, math.inf), 0.5),
        ("policy_loss", (0.9, 0.9, 0.9), 0.9),  # equal values are not changed by rounding
        ("policy_loss", (1.7e308, 1.7e308), 1.7e308),
        ("nan_grad_count", (2**64 - 1, 2**64 - 1), 2**64 - 1),  # more cannot be encoded
        ("nan_grad_count", (-(2**63), -(2**63)), -(2**63)),
    ],
)
def test_each_metric_has_its_own_reduction(name, values, expected):
    """Means, extremes and sums are taken over the ranks that measured."""
    assert merged(name, *values) == expected


@pytest.mark.parametrize("name", ["policy_loss", "grad_norm_pre_clip", "joint_ratio_min"])
def test_nan_of_one_rank_is_not_averaged_away(name):
    """NaN on one rank is NaN for the run with any reduction; opposite infinities have no mean."""
    assert math.isnan(merged(name, 1.0, math.nan))
    assert math.isnan(merged("policy_loss", math.inf, -math.inf))


def test_one_rank_is_itself():
    """Its payload is not copied."""
    payload = PPOUpdatePayload(policy_loss=-0.0, head_op_entropy=0.3)

    assert merge([payload]) is payload


def test_updates_are_common_where_every_rank_has_them():
    """Ranks 0 and 1 share updates 2 and 3."""
    one, two = PPOUpdatePayload(policy_loss=1.0), PPOUpdatePayload(policy_loss=2.0)

    assert common_updates([{1: one, 3: one, 2: one}, {2: two, 3: two, 4: two}]) == [[one, two], [one, two]]
    assert common_updates([{1: one}, {2: two}]) == common_updates([]) == []


@settings(deadline=None)
@given(data=st.data())
def test_merging_does_not_depend_on_the_order_of_ranks(data):
    """The bytes are equal, also for sums of floats that depend on the order, and for both zeros."""
    number = st.sampled_from([0.1, 0.2, 0.3, 1e16, -1e16, 0.0, -0.0, math.nan, math.inf]) | st.floats()
    ranks = [
        PPOUpdatePayload(
            policy_loss=data.draw(number),
            grad_norm_pre_clip=data.draw(st.none() | number),
            joint_ratio_min=data.draw(number),
            nan_grad_count=data.draw(st.none() | st.integers(-(2**63), 2**64 - 1)),
        )
        for _ in range(data.draw(st.integers(1, 5)))
    ]
    shuffled = data.draw(st.permutations(ranks))

    assert msgspec.msgpack.encode(merge(shuffled)) == msgspec.msgpack.encode(merge(ranks))


_values = st.none() | st.floats() | st.sampled_from([0.1, 0.2, 0.3, 1e16, -1e16, 0.0, -0.0])


@settings(deadline=None)
@given(data=st.data())
def test_weighted_reductions_do_not_depend_on_the_order_of_ranks(data):
    """The bytes are equal, and the mean is between the smallest and the largest value."""
    row = st.tuples(_values, _values, st.sampled_from([1.0, 3.0, 64.0]))
    rows = data.draw(st.lists(row, max_size=5))
    shuffled = data.draw(st.permutations(rows))
    first, second = (
        (weighted_mean((mean, weight) for mean, _, weight in order), pooled_deviation(order))
        for order in (rows, shuffled)
    )
    means = [mean for mean, _, _ in rows if mean is not None]

    assert msgspec.msgpack.encode(first) == msgspec.msgpack.encode(second)
    assert first[0] is None or first[0] != first[0] or min(means) <= first[0] <= max(means)


def test_a_weighted_mean_has_each_value_by_its_weight():
    """(3·5 + 1·1) / 4 = 4, in either order."""
    assert weighted_mean([(5.0, 3.0), (1.0, 1.0)]) == weighted_mean([(1.0, 1.0), (5.0, 3.0)]) == 4.0


def started(rank, world_size=2):
    """The first event of a rank."""
    return e.RunStarted(task="t", rank=rank, world_size=world_size)


@pytest.fixture
def two_ranks(record_of):
    """Makes the records of two ranks with losses n and 3 n; rank 1 has made one update less."""
    ranks = {
        name: [
            record_of(event, producer=name, at_ns=n)
            for n, event in enumerate([started(rank), *(update(k, policy_loss=k * factor) for k in made)])
        ]
        for rank, (name, factor, made) in enumerate([("a", 1.0, range(1, 5)), ("b", 3.0, range(1, 4))])
    }
    return lambda order: [record for name in order for record in ranks[name]]


def test_a_run_of_several_ranks_shows_their_merged_measurements(two_ranks):
    """Last losses 4 and 9, mean 6.5; updates 1-3 are common: (1 + 3) / 2, (2 + 6) / 2, (3 + 9) / 2."""
    tamiyo = project(fold_all(two_ranks("ab"))).tamiyo

    assert tamiyo.policy_loss == 6.5
    assert tamiyo.policy_loss_history == (2.0, 4.0, 6.0)
    assert (tamiyo.last_update, tamiyo.ppo_updates_count) == (4, 4)


def test_the_order_of_arrival_of_ranks_does_not_matter(two_ranks):
    """The learner is the same for both orders."""
    first, second = (project(fold_all(two_ranks(order))) for order in ("ab", "ba"))

    assert first.tamiyo == second.tamiyo
    assert first.ranks == second.ranks


def test_latches_risks_and_previous_gradients_are_merged(record_of):
    """NaN on any rank is latched, the worst risk counts, previous gradient norms 0.2 and 0.4 make 0.3."""
    events = {
        "a": [started(0), *(update(n, entropy_normalized=0.55, head_op_grad_norm=0.2) for n in range(6))],
        "b": [started(1), *(update(n, entropy_normalized=0.05, head_op_grad_norm=0.4) for n in range(6))],
    }
    events["b"].append(update(6, head_slot_entropy=math.nan, entropy_normalized=0.05, head_op_grad_norm=0.9))
    events["a"].append(update(6, head_slot_entropy=0.5, entropy_normalized=0.55, head_op_grad_norm=0.7))
    tamiyo = project(fold_all(record_of(x, producer=p) for p in events for x in events[p])).tamiyo

    assert tamiyo.head_nan_latch["slot"]
    assert math.isnan(tamiyo.head_slot_entropy)
    assert tamiyo.collapse_risk_score == 1.0
    assert tamiyo.head_op_grad_norm_prev == pytest.approx(0.3)
    assert tamiyo.entropy_velocity == pytest.approx(0.0)


def test_a_rank_that_has_made_no_update_yet_is_left_out(record_of):
    """Rank 1 has only started: the run has the whole history of rank 0."""
    records = [record_of(started(0), producer="a"), record_of(started(1), producer="b")]
    records += [record_of(update(n, policy_loss=1.0), producer="a") for n in (1, 2)]

    assert project(fold_all(records)).tamiyo.policy_loss_history == (1.0, 1.0)


def test_a_rank_started_again_elsewhere_is_counted_once(record_of):
    """Rank 1 moved from c to b and back to c, which sent last: losses 1 and 5, not 100."""
    records = [
        record_of(event, producer=producer, at_ns=at_ns)
        for at_ns, (producer, event) in enumerate(
            [
                ("c", started(1)),
                ("b", started(1)),
                ("b", update(1, policy_loss=100.0)),
                ("a", started(0)),
                ("a", update(1, policy_loss=1.0)),
                ("c", update(1, policy_loss=5.0)),
            ]
        )
    ]

    assert project(fold_all(records)).tamiyo.policy_loss == 3.0


def test_the_state_of_merged_ranks_can_be_encoded(record_of):
    """The sum of counts is limited to what msgpack can encode."""
    events = [
        (p, x) for rank, p in enumerate("ab") for x in (started(rank), update(1, nan_grad_count=2**64 - 1))
    ]
    snapshot = project(fold_all(record_of(event, producer=producer) for producer, event in events))

    assert snapshot.tamiyo.nan_grad_count == 2**64 - 1
    assert encode_snapshot(snapshot)
