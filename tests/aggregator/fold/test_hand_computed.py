"""Sequences of payloads whose states were computed by hand; each docstring has the arithmetic."""

import math

import pytest
from tests.aggregator.fold.examples import update
from tests.aggregator.fold.validated import fold_all, project

from esper_schemas import events as e
from esper_schemas.judgement import loss_ratio
from esper_schemas.state import Trend


def series(name, values, first=1):
    """One update per value of one metric."""
    return [update(first + n, **{name: value}) for n, value in enumerate(values)]


@pytest.fixture
def tamiyo_of(record_of):
    """The learner's state after some events of one producer."""
    return lambda events: project(fold_all(map(record_of, events))).tamiyo


@pytest.fixture
def merged(record_of):
    """The learner's state after events of several ranks."""

    def make(*ranks):
        records = []
        for rank, events in enumerate(ranks):
            start = e.RunStarted(task="t", rank=rank, world_size=len(ranks))
            records += [record_of(event, producer=f"host:{rank}") for event in (start, *events)]
        return project(fold_all(records)).tamiyo

    return make


def test_01_a_history_has_the_last_ten_values(tamiyo_of):
    """Values 1 to 12: the first two are gone; the newest is the value."""
    tamiyo = tamiyo_of(series("kl_divergence", range(1, 13)))

    assert tamiyo.kl_divergence_history == (3, 4, 5, 6, 7, 8, 9, 10, 11, 12)
    assert (tamiyo.kl_divergence, tamiyo.ppo_updates_count, tamiyo.last_update) == (12, 12, 12)


def test_02_a_rising_trend(tamiyo_of):
    """Halves 1 1 1 1 1 and 2 2 2 2 2: means 1 and 2, a change of 1, more than the 10-20 % of any metric."""
    assert tamiyo_of(series("grad_norm", [1.0] * 5 + [2.0] * 5)).trends["grad_norm"] is Trend.RISING


def test_03_a_stable_trend(tamiyo_of):
    """Halves with means (1.00 + 1.02 + 1.01) / 3 = 1.01 and (1.02 + 1.00 + 1.01) / 3 = 1.01: no change."""
    values = [1.00, 1.02, 1.01, 1.02, 1.00, 1.01]

    assert tamiyo_of(series("entropy", values)).trends["entropy"] is Trend.STABLE


def test_04_a_volatile_trend(tamiyo_of):
    """Variances: of 1 2 3 it is (1 + 0 + 1) / 3 = 2/3; of 0 2 4 it is (4 + 0 + 4) / 3 = 8/3; 4 times > 3."""
    values = [1.0, 2.0, 3.0, 0.0, 2.0, 4.0]

    assert tamiyo_of(series("value_loss", values)).trends["value_loss"] is Trend.VOLATILE


def test_05_five_values_give_no_trend(tamiyo_of):
    """Two windows of three are needed; 5 // 2 = 2."""
    values = [1.0, 2.0, 3.0, 4.0, 5.0]

    assert tamiyo_of(series("value_loss", values)).trends["value_loss"] is Trend.UNKNOWN


def test_06_velocity_is_the_slope_of_the_last_ten(tamiyo_of):
    """1.00, 0.98, ..., over 12 updates: a line that falls by 0.02 an update."""
    tamiyo = tamiyo_of(series("entropy_normalized", [1.0 - 0.02 * n for n in range(12)]))

    assert tamiyo.entropy_velocity == pytest.approx(-0.02)


def test_07_velocity_over_a_value_that_was_not_measured(tamiyo_of):
    """Places 0 1 3 4 5, mean 13/5 = 2.6, on the line 0.9 - 0.1 x: slope -0.1, the gap keeps its place."""
    tamiyo = tamiyo_of(series("entropy_normalized", [0.9, 0.8, None, 0.6, 0.5, 0.4]))

    assert tamiyo.entropy_velocity == pytest.approx(-0.1)


def test_08_velocity_with_nan_in_the_middle(tamiyo_of):
    """0.5 0.6 NaN 0.8 0.9 1.0 lies on 0.5 + 0.1 x: slope 0.1."""
    tamiyo = tamiyo_of(series("entropy_normalized", [0.5, 0.6, math.nan, 0.8, 0.9, 1.0]))

    assert tamiyo.entropy_velocity == pytest.approx(0.1)
    assert tamiyo.collapse_risk_score == pytest.approx(0.0)  # rising, and 0.3 * (1 - 0.9 / 0.9) = 0


def test_09_risk_of_a_slow_fall(tamiyo_of):
    """Slope -0.01, at 0.46: 0.36 / 0.01 = 36 updates left make 0.5, nearness 0.3 (1 - 0.36 / 0.9) = 0.18;
    0.7 · 0.5 + 0.3 · 0.18 = 0.404."""
    tamiyo = tamiyo_of(series("entropy_normalized", [0.50, 0.49, 0.48, 0.47, 0.46]))

    assert tamiyo.collapse_risk_score == pytest.approx(0.404)


def test_10_risk_is_kept_below_the_hysteresis(tamiyo_of):
    """Five at 0.55 give 0.3 (1 - 0.45 / 0.9) = 0.15. A sixth at 0.4 makes the slope 2.5 · -0.15 / 17.5 =
    -0.0214: 0.3 / 0.0214 = 14 left make 0.7, nearness 0.3 (1 - 0.3 / 0.9) = 0.2;
    0.7 · 0.7 + 0.3 · 0.2 = 0.55."""
    first = series("entropy_normalized", [0.55] * 5)
    sixth = [*first, *series("entropy_normalized", [0.4], first=6)]
    still = [*first, *series("entropy_normalized", [0.6] * 10, first=6)]

    assert tamiyo_of(sixth).collapse_risk_score == pytest.approx(0.55)
    # 0.3 (1 - 0.5 / 0.9) = 0.1333 is 0.0167 from 0.15, which is kept
    assert tamiyo_of(still).collapse_risk_score == pytest.approx(0.15)


def test_11_risk_of_a_collapse_is_one(tamiyo_of):
    """0.08 is below the critical 0.1, although the curve is flat."""
    assert tamiyo_of(series("entropy_normalized", [0.08] * 5)).collapse_risk_score == 1.0


def test_12_entropy_and_clips_in_opposite_directions(tamiyo_of):
    """Offsets -2 -1 0 1 2 (· 0.1) against 2 1 0 -1 -2 (· 0.05): -10 / sqrt(10 · 10) = -1."""
    events = [update(n, entropy_normalized=0.3 + n / 10, clip_fraction=0.4 - n / 20) for n in range(5)]

    assert tamiyo_of(events).entropy_clip_correlation == pytest.approx(-1.0)


def test_13_entropy_and_clips_half_together(tamiyo_of):
    """x = 0 1 2 3 4 and y = 0 2 1 4 3: offsets -2 -1 0 1 2 and -2 0 -1 2 1, products 4 + 0 + 0 + 2 + 2 = 8:
    8 / sqrt(10 · 10) = 0.8."""
    events = [
        update(n, entropy_normalized=x / 10, clip_fraction=y / 10)
        for n, (x, y) in enumerate(zip(range(5), (0, 2, 1, 4, 3), strict=True))
    ]

    assert tamiyo_of(events).entropy_clip_correlation == pytest.approx(0.8)


def test_14_latches_outlast_recovery(tamiyo_of):
    """NaN of slot in update 2, infinity of op in update 3, all finite in update 4."""
    fields = [
        {},
        {"head_slot_entropy": math.nan},
        {"head_op_ratio_max": math.inf},
        {"head_slot_entropy": 1.0},
    ]
    tamiyo = tamiyo_of([update(n, **kwargs) for n, kwargs in enumerate(fields, start=1)])

    assert [head for head, seen in tamiyo.head_nan_latch.items() if seen] == ["slot"]
    assert [head for head, seen in tamiyo.head_inf_latch.items() if seen] == ["op"]
    assert tamiyo.head_slot_entropy == 1.0


def test_15_loss_ratio(tamiyo_of):
    """|−0.05| under 0.2: 4; a policy loss of 1e-11 has no ratio."""
    assert loss_ratio(tamiyo_of([update(1, policy_loss=-0.05, value_loss=0.2)])) == pytest.approx(4.0)
    assert loss_ratio(tamiyo_of([update(1, policy_loss=1e-11, value_loss=0.2)])) is None


def test_16_previous_gradients(tamiyo_of):
    """0.1, 0.2, 0.4: the newest is 0.4, the one before it 0.2."""
    tamiyo = tamiyo_of(series("head_tempo_grad_norm", [0.1, 0.2, 0.4]))

    assert (tamiyo.head_tempo_grad_norm, tamiyo.head_tempo_grad_norm_prev) == (0.4, 0.2)
    assert tamiyo.head_op_grad_norm_prev is None


def test_17_ranks_by_each_reduction(merged):
    """Mean (1 + 2 + 6) / 3 = 3, largest 9, smallest 0.2, sum 1 + 0 + 4 = 5, and only what was measured."""
    rows = [(1.0, 3.0, 0.9, 1, 0.02), (2.0, 9.0, 0.2, 0, None), (6.0, 1.0, 0.5, 4, 0.04)]
    names = ("policy_loss", "grad_norm_pre_clip", "joint_ratio_min", "nan_grad_count", "kl_divergence")
    tamiyo = merged(*([update(1, **dict(zip(names, row, strict=True)))] for row in rows))

    assert [getattr(tamiyo, name) for name in names] == [3.0, 9.0, 0.2, 5, pytest.approx(0.03)]


def test_18_histories_of_ranks_have_common_updates(merged):
    """Rank 0 made 1-4 (losses 1 2 3 4), rank 1 made 2-3 (losses 4 5): (2 + 4) / 2 and (3 + 5) / 2."""
    tamiyo = merged(series("policy_loss", [1.0, 2.0, 3.0, 4.0]), series("policy_loss", [4.0, 5.0], first=2))

    assert tamiyo.policy_loss_history == (3.0, 4.0)
    assert tamiyo.policy_loss == 4.5  # the newest of each: (4 + 5) / 2


@pytest.mark.parametrize(
    ("resumed_at", "history", "made"),
    [
        (4, (1.0, 2.0, 3.0, 40.0, 50.0), 5),  # continues where it ended
        (3, (1.0, 2.0, 40.0, 50.0), 4),  # update 3 was undone: it is made again
        (1, (40.0, 50.0), 2),  # from the beginning
        (9, (40.0, 50.0), 5),  # 4 to 8 are missing in between
    ],
)
def test_19_a_restart_continues_where_its_updates_do(record_of, resumed_at, history, made):
    """Updates 1 2 3 with losses 1 2 3, then a new process with losses 40 and 50."""
    before = [record_of(event, epoch=1) for event in series("policy_loss", [1.0, 2.0, 3.0])]
    after = [record_of(event, epoch=2) for event in series("policy_loss", [40.0, 50.0], first=resumed_at)]
    tamiyo = project(fold_all(before + after)).tamiyo

    assert tamiyo.policy_loss_history == history
    assert (tamiyo.ppo_updates_count, tamiyo.last_update) == (made, resumed_at + 1)


def test_20_repetitions_and_holes(record_of):
    """Sequence 0 1 1 2 5: one repetition, two missing (3 and 4); losses 1 2 3 4 count once each."""
    places = [(0, 1.0), (1, 2.0), (1, 99.0), (2, 3.0), (5, 4.0)]
    records = [record_of(update(seq + 1, policy_loss=loss), seq=seq) for seq, loss in places]
    snapshot = project(fold_all(records))

    assert snapshot.tamiyo.policy_loss_history == (1.0, 2.0, 3.0, 4.0)
    assert (snapshot.link.duplicates, snapshot.link.gaps, snapshot.link.events) == (1, 2, 5)


def test_21_a_restart_forgets_the_risk_and_the_returns_of_what_it_repeats(record_of):
    """Risk 1 of a collapse at 0.05; repeated from update 1 at 0.55: 0.15. Returns 1 2, then 7 at update 1."""
    rollout = {"env_steps": 1, "env_steps_total": 1, "steps_per_second": 1.0, "duration_ms": 1.0}
    records = [record_of(event, epoch=1) for event in series("entropy_normalized", [0.05] * 5)]
    records += [
        record_of(e.RolloutCompleted(update=n, mean_return=float(n), **rollout), epoch=1) for n in (1, 2)
    ]
    records += [record_of(e.RolloutCompleted(update=1, mean_return=7.0, **rollout), epoch=2)]
    records += [record_of(event, epoch=2) for event in series("entropy_normalized", [0.55] * 5)]
    snapshot = project(fold_all(records))

    assert snapshot.tamiyo.collapse_risk_score == pytest.approx(0.15)
    assert snapshot.run.mean_return_history == (7.0,)


def test_22_a_restart_that_continues_begins_with_a_new_hysteresis(record_of):
    """Five at 0.55 give 0.15; 0.6 gives 0.3 (1 - 0.5 / 0.9) = 0.1333, since it is of another process."""
    records = [record_of(event, epoch=1) for event in series("entropy_normalized", [0.55] * 5)]
    records.append(record_of(update(6, entropy_normalized=0.6), epoch=2))

    assert project(fold_all(records)).tamiyo.collapse_risk_score == pytest.approx(0.4 / 3)


def test_23_the_window_of_episodes_is_of_one_process(record_of):
    """Returns 1 and 2 of the previous process are counted; only 3 is listed."""
    episodes = [e.EpisodeCompleted(environment=0, episode=n, episode_return=n, length=1) for n in (1, 2, 3)]
    records = [record_of(episode, epoch=1 + (episode.episode > 2)) for episode in episodes]
    snapshot = project(fold_all(records))

    assert (snapshot.episodes.completed, snapshot.episodes.returns) == (3, (3.0,))
