"""Streaks of unusual values over the whole run and all ranks: onset, length and worst value."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.aggregator.fold.validated import fold, fold_all, project

from esper_aggregator.fold.run_state import RunState
from esper_schemas.codec import encode_snapshot
from esper_schemas.declarations import RunThresholds
from esper_schemas.events import PPOUpdateCompleted, RolloutCompleted, RunStarted, ScalarsLogged
from esper_schemas.findings import Symptom
from esper_schemas.heads import HEADS
from esper_schemas.metrics.catalogue import CATALOGUE, QUANTITIES
from esper_schemas.payload import PPOUpdatePayload
from esper_schemas.rules.bounded_watches import bounded_watches
from esper_schemas.rules.declared_ranges import RANGES
from esper_schemas.rules.non_finite import LATCHED_FIELDS
from esper_schemas.rules.quantities import RELATIVE
from esper_schemas.rules.run_levels import UpdateLevels, update_quantities
from esper_schemas.rules.symptoms import SymptomState, Watchlist
from esper_schemas.rules.watch import GAP
from esper_schemas.rules.watches import ABOUT_RETURNS, WATCHES


def found(state):
    """The newest symptom of each name that may be a sign of a fault."""
    return {s.name: s for s in project(state).symptoms if s.name not in ABOUT_RETURNS}


@pytest.fixture
def symptoms_of(record_of):
    """Folds payloads, one update each from 1 on; returns the newest symptom of each name."""

    def run(*payloads, state=None):
        state = RunState() if state is None else state
        for update, payload in enumerate(payloads, start=1):
            event = PPOUpdateCompleted(update=update, payload=PPOUpdatePayload(**payload))
            fold(state, record_of(event))
        assert state.rejected == 0
        return found(state)

    return run


@pytest.fixture
def symptoms_of_returns(record_of):
    """The same for the mean returns of rollouts."""

    def run(*returns, baseline=None, std_return=1.0):
        state = fold_all([record_of(RunStarted(task="t", baseline_return=baseline))])
        for update, mean_return in enumerate(returns, start=1):
            rollout = RolloutCompleted(
                update=update,
                env_steps=1,
                env_steps_total=1,
                steps_per_second=1.0,
                duration_ms=1.0,
                mean_return=mean_return,
                std_return=std_return,
            )
            fold(state, record_of(rollout))
        return found(state)

    return run


NORMAL = {"kl_divergence": 0.005, "value_loss": 0.3, "return_std": 1.0, "value_std": 0.8}


def test_a_normal_update_causes_no_symptom(symptoms_of):
    """Neither does an update in which nothing was measured."""
    assert symptoms_of(*[NORMAL] * 20, {}) == {}


def test_a_streak_keeps_its_onset_longer_than_the_histories(symptoms_of):
    """After a thousand updates, it has the first value, the worst one, and the update of the worst."""
    kl = [0.06, 0.15, 0.14] + [0.13] * 1_000

    found = symptoms_of({}, *({"kl_divergence": value} for value in kl))["large_kl"]

    assert found == Symptom(
        name="large_kl",
        metric="kl_size",
        severity="critical",
        since_update=2,
        last_update=1_004,
        updates=1_003,
        critical_since=3,
        critical_updates=1_002,
        value=0.06,
        worst=0.15,
        worst_update=3,
    )


@pytest.mark.parametrize("between", [{}, NORMAL])
def test_a_streak_outlives_a_short_gap(symptoms_of, between):
    """Three normal updates, or updates in which nothing was measured, do not end it; a fourth does."""
    high = {"kl_divergence": 0.06}

    assert symptoms_of(high, *[between] * GAP, high)["large_kl"].updates == 2
    assert symptoms_of(high, *[between] * GAP)["large_kl"].active
    assert not symptoms_of(high, *[between] * (GAP + 1))["large_kl"].active


def test_an_ended_streak_is_kept_beside_the_next(symptoms_of, record_of):
    """Only the last streak that ended is kept, besides the active one."""
    state = RunState()
    high = {"kl_divergence": 0.06}
    symptoms_of(high, *[NORMAL] * 9, high, high, *[NORMAL] * 9, high, state=state)

    large = [s for s in project(state).symptoms if s.name == "large_kl"]

    assert [(s.since_update, s.last_update, s.active) for s in large] == [(11, 12, False), (22, 22, True)]


def test_bounds_are_those_of_the_catalogue(symptoms_of):
    """Moved outwards: healthy runs have KL divergences and clip fractions that are beyond their bands."""
    assert symptoms_of({"kl_divergence": 0.0499}) == {}
    assert symptoms_of({"kl_divergence": -0.06})["large_kl"].value == 0.06
    assert symptoms_of({"clip_fraction": 0.41}) == {}
    assert symptoms_of({"clip_fraction": 0.42})["large_clip"].severity == "warning"
    assert symptoms_of({"clip_fraction": 0.50})["large_clip"].severity == "critical"


def test_a_project_can_override_bands(symptoms_of):
    """With other bands for the KL divergence, only the clip fraction is unusual."""
    text = "[kl_divergence]\nwarning_above = 0.1\ncritical_above = 0.2\n"
    state = RunState(given=RunThresholds(text))

    found = symptoms_of({"kl_divergence": 0.3, "clip_fraction": 0.9}, state=state)

    assert set(found) == {"large_clip"}


@pytest.mark.parametrize(
    ("metric", "value", "name"),
    [
        ("policy_loss", math.nan, "loss_not_finite"),
        ("value_loss", math.inf, "loss_not_finite"),
        ("grad_norm_pre_clip", math.nan, "gradient_not_finite"),
        ("head_op_ratio_max", math.inf, "not_finite"),
        ("return_mean", -math.inf, "not_finite"),
        ("kl_divergence", math.inf, "kl_not_finite"),
    ],
)
def test_a_value_that_is_not_finite_is_a_separate_symptom(symptoms_of, metric, value, name):
    """It is the only symptom among normal values."""
    found = symptoms_of(NORMAL | {metric: value})

    assert found[name].metric == metric
    assert found[name].severity == "not finite"
    assert set(found) == {name}


def test_nan_is_the_worst_value_of_all(symptoms_of):
    """Later infinities do not replace it."""
    values = (math.inf, math.nan, math.inf)

    found = symptoms_of(*({"policy_loss": value} for value in values))["loss_not_finite"]

    assert math.isnan(found.worst)
    assert found.worst_update == 2


def test_a_head_without_gradient_is_unusual_only_while_it_is_relevant(symptoms_of):
    """A head that no choice used has no gradient."""
    silent = {"head_style_grad_norm": 0.0}

    assert symptoms_of(silent | {"head_style_relevance": 0.0}) == {}
    found = symptoms_of(silent | {"head_style_relevance": 0.1})["head_without_gradient"]
    assert found.head == "style"


def test_head_symptoms_name_the_head(symptoms_of):
    """A ratio explodes beyond 1.5 ** 4 = 5.06, a head collapses below an entropy of 0.4 * 0.25 = 0.1."""
    found = symptoms_of(
        {"head_op_ratio_max": 5.0, "head_slot_entropy_legal": 0.101},
        {"head_op_ratio_max": 5.1, "head_slot_entropy_legal": 0.099},
    )

    assert {(s.name, s.head, s.since_update) for s in found.values()} == {
        ("ratio_explosion", "op", 2),
        ("low_head_entropy", "slot", 2),
    }


WATCHED = [w for w in bounded_watches(QUANTITIES) if w.metric in (*CATALOGUE, *RELATIVE)]
EDGES = sorted({bound for w in WATCHED for bound in (w.warning, math.nextafter(w.warning, 0.0))})


def ranged(payload):
    """The values of a payload with the ranges of their metrics."""
    found = [(getattr(payload, name), bounds) for name, bounds in RANGES.items()]
    return [(value, bounds) for value, bounds in found if value is not None]


def is_within_bounds(payload):
    """The same check, made value by value."""
    finite = {w.metric for w in WATCHED} - set(RELATIVE) | set(LATCHED_FIELDS)
    relative = dict(zip(RELATIVE, update_quantities(UpdateLevels(), payload), strict=True))
    values = {name: getattr(payload, name) for name in finite} | relative
    measured = {name: value for name, value in values.items() if value is not None}
    if not all(low <= value <= high for value, (low, high) in ranged(payload)):
        return False
    return all(map(math.isfinite, measured.values())) and not any(
        w.is_beyond(measured[w.metric], w.warning) for w in WATCHED if w.name and w.metric in measured
    )


@settings(deadline=None)
@given(
    fields=st.dictionaries(
        st.sampled_from(sorted({w.metric for w in WATCHED} - set(RELATIVE) | set(LATCHED_FIELDS))),
        st.sampled_from(EDGES) | st.floats(),
        max_size=4,
    )
)
def test_the_check_of_a_whole_update_agrees_with_a_check_of_each_value(fields):
    """They agree on bounds, just beside them and for any other float; unmeasured values are within."""
    optional = {name for name, field in CATALOGUE.items() if field.default is None}
    payload = PPOUpdatePayload(**dict.fromkeys(optional) | fields)

    assert Watchlist().update_completed(SymptomState(), 1, payload) == is_within_bounds(payload)


@pytest.mark.parametrize("fields", [{}, {"value_loss": 5e6}, {"kl_divergence": 1e-7, "value_loss": 0.3}])
def test_an_update_within_bounds_is_reported_as_such(fields):
    """Both ends of a range belong to it."""
    assert Watchlist().update_completed(SymptomState(), 1, PPOUpdatePayload(**fields))


class TestLevels:
    """Quantities that are compared with their baseline level."""

    def test_a_value_loss_far_above_its_usual_level_is_unusual(self, symptoms_of):
        """The unit of the rewards does not matter."""
        for unit in (1e-3, 1.0, 1e6):
            usual, large = {"value_loss": 0.3 * unit}, {"value_loss": 7.0 * unit}

            assert symptoms_of(*[usual] * 20, {"value_loss": 5.0 * unit}) == {}
            growth = symptoms_of(*[usual] * 20, large)["value_loss_growth"]
            assert growth.value == pytest.approx(7.0 / 0.3)

    def test_a_value_loss_may_grow_slowly(self, symptoms_of):
        """Growth from 0.01 to 4.7 by 5 % per update is not unusual."""
        assert symptoms_of(*({"value_loss": 0.01 * 1.05**n} for n in range(127))) == {}

    def test_a_value_loss_that_begins_with_the_rewards_is_not_unusual(self, symptoms_of):
        """While all returns are equal the explained variance is NaN, and the loss says nothing."""
        silent = {"value_loss": 1e-6, "explained_variance": math.nan}
        found = symptoms_of(*[silent] * 20, *[{"value_loss": 1e4, "explained_variance": 0.5}] * 20)

        assert "value_loss_growth" not in found
        assert found["undefined_variance"].updates == 20

    def test_an_entropy_is_compared_with_that_of_the_start(self, symptoms_of):
        """The number of choices is not known; a differential entropy is not compared."""
        falling = [{"entropy": 2.0}] * 5 + [{"entropy": 0.61}] * 5

        assert symptoms_of(*falling) == {}
        assert symptoms_of(*falling, {"entropy": 0.19})["fallen_entropy"].critical_since == 11
        assert symptoms_of({"entropy": 0.03})["fallen_entropy"].critical_since == 1
        assert symptoms_of({"entropy": 0.5}, {"entropy": -0.5}, {"entropy": 0.01}) == {}

    def test_a_return_that_loses_half_of_its_gain_is_unusual(self, symptoms_of_returns):
        """A smaller loss is not unusual."""
        varying = [1.0 + 0.1 * (n % 2) for n in range(10)]
        learning = [1.0 + n / 10 for n in range(30)]

        assert symptoms_of_returns(*varying, *learning, *[3.0, 3.1] * 10) == {}
        found = symptoms_of_returns(*varying, *learning, *[1.0] * 10)["lost_return"]
        assert 41 < found.since_update < 46, found

    def test_returns_that_were_equal_at_first_may_vary_later(self, symptoms_of_returns):
        """Rare rewards are not a collapse."""
        assert set(symptoms_of_returns(*[0.0] * 6, *[0.1, 0.0, 0.0] * 20)) <= {"constant_return"}

    def test_a_return_below_the_baseline_is_unusual(self, symptoms_of_returns):
        """The value is the difference; a run without a baseline has no such symptom."""
        found = symptoms_of_returns(1.0, 1.0, baseline=1.5)["below_baseline"]

        assert (found.value, found.updates) == (-0.5, 2)
        assert symptoms_of_returns(1.0, 1.1) == {}

    def test_equal_returns_everywhere_are_unusual(self, symptoms_of_returns):
        """The environments all return the same."""
        assert set(symptoms_of_returns(1.0, 1.1, std_return=0.0)) == {"flat_returns"}

    def test_a_nan_return_is_a_reward_that_is_not_finite(self, symptoms_of_returns):
        """It does not change the levels."""
        found = symptoms_of_returns(*[1.0, 1.1] * 5, math.nan, *[1.0, 1.1] * 2)

        assert set(found) == {"reward_not_finite"}


def test_the_number_of_symptoms_is_bounded(symptoms_of):
    """The number of symptoms is limited by the number of watches and heads."""
    state = RunState()
    extreme = [math.nan, 1e308, -1e308, math.inf, None, 0.0]
    optional = [name for name, field in CATALOGUE.items() if field.default is None]
    payloads = (
        {name: extreme[(n // 5 + place) % len(extreme)] for place, name in enumerate(optional)}
        for n in range(600)
    )
    symptoms_of(*payloads, state=state)

    watched = len(WATCHES) * len(HEADS)
    assert len(project(state).symptoms) <= 4 * watched


def test_ranks_that_arrive_in_another_order_give_equal_symptoms(record_of):
    """Symptoms and findings of the snapshot are equal for both orders."""

    def snapshot(order):
        state = RunState()
        for rank in order:
            start = RunStarted(task="t", rank=rank, world_size=3)
            fold(state, record_of(start, producer=f"h:{rank}", epoch=sum(order[:1]) + 10, seq=0))
        for update in range(1, 8):
            for rank in order:
                kl, ratio = 0.06 * rank, 3.0 * update * rank
                payload = PPOUpdatePayload(kl_divergence=kl, head_op_ratio_max=ratio)
                event = PPOUpdateCompleted(update=update, payload=payload)
                epoch = sum(order[:1]) + 10
                fold(state, record_of(event, producer=f"h:{rank}", epoch=epoch, seq=update))
        return project(state)

    first, second = snapshot((0, 1, 2)), snapshot((2, 0, 1))

    assert {s.name for s in first.symptoms} == {"large_kl", "no_kl", "ratio_explosion"}
    assert first.findings
    assert (first.symptoms, first.findings) == (second.symptoms, second.findings)
    assert encode_snapshot(first)


def test_a_restarted_training_has_no_symptoms_of_the_previous_one(record_of):
    """Update 1 of a restarted trainer does not continue a streak; neither does its first return."""

    def training(epoch):
        for update in (1, 2):
            rollout = RolloutCompleted(
                update=update,
                env_steps=1,
                env_steps_total=1,
                steps_per_second=1.0,
                duration_ms=1.0,
                mean_return=math.nan if epoch == 1 else float(update),
            )
            yield record_of(rollout, epoch=epoch)
            payload = PPOUpdatePayload(kl_divergence=9.0 if epoch == 1 else 0.01)
            yield record_of(PPOUpdateCompleted(update=update, payload=payload), epoch=epoch)

    first = fold_all(training(1))
    assert {"large_kl", "reward_not_finite"} <= {symptom.name for symptom in project(first).symptoms}
    assert project(fold_all(training(2), first)).symptoms == ()


def test_a_resumed_training_continues_its_streaks(record_of):
    """A streak continues if the first update of the new process is not update 1."""
    payload = PPOUpdatePayload(kl_divergence=9.0)
    before = record_of(PPOUpdateCompleted(update=1, payload=payload), epoch=1)
    after = record_of(PPOUpdateCompleted(update=2, payload=payload), epoch=2)

    large = found(fold_all([before, after]))["large_kl"]

    assert (large.since_update, large.updates) == (1, 2)


def logged(record_of, **values):
    """The findings after ten updates that a trainer logs under its own names."""
    events = [ScalarsLogged(values=values, step=step) for step in range(1, 12)]
    return [f.rule for f in project(fold_all(map(record_of, events))).findings]


def test_a_negative_estimate_of_the_kl_divergence_is_normal(record_of):
    """verl logs k1, whose sign is that of chance; the updates do change the policy."""
    assert logged(record_of, **{"actor/ppo_kl": -0.02, "actor/pg_clipfrac": 0.01}) == []


def test_an_infinite_kl_divergence_is_not_a_fault_of_the_loss(record_of):
    """The loss is finite."""
    found = logged(record_of, **{"train/approx_kl": math.inf, "train/loss": 0.1, "train/value_loss": 0.1})

    assert found == ["kl_not_finite"]


def test_a_library_that_logs_another_quantity_is_reported(record_of):
    """CleanRL's estimator is k3, which is never negative; an explained variance is at most 1."""
    found = logged(record_of, **{"losses/approx_kl": -0.5, "losses/explained_variance": 1.7})

    assert found == ["implausible_value", "implausible_value"]
