"""The projection shows what the state holds, under the names of the TELE records."""

import math

from tests.aggregator.fold.examples import update
from tests.aggregator.fold.validated import fold_all, project

from esper_aggregator.fold.run_state import RunState
from esper_schemas import events as e
from esper_schemas.snapshot import SanctumSnapshot


def test_before_any_event_the_snapshot_is_empty():
    """Nothing was received, so nothing is claimed."""
    assert project(RunState()) == SanctumSnapshot()
    assert not project(RunState()).tamiyo.ppo_data_received


def test_the_run_says_what_it_is_and_how_far(record_of):
    """Plan from RunStarted, progress from RolloutCompleted, end from RunFinished."""
    run = project(
        fold_all(
            [
                record_of(e.RunStarted(task="digits", episodes=10, seed=3, baseline_return=3.8), at_ns=77),
                record_of(
                    e.RolloutCompleted(
                        update=1,
                        env_steps=64,
                        env_steps_total=64,
                        steps_per_second=5000.0,
                        duration_ms=12.8,
                        mean_return=4.2,
                    )
                ),
                record_of(e.RunFinished(outcome="completed", updates=1), at_ns=99),
            ]
        )
    ).run

    assert (run.run, run.task, run.episodes, run.seed) == ("r", "digits", 10, 3)
    assert (run.mean_return, run.baseline_return, run.mean_return_history) == (4.2, 3.8, (4.2,))
    assert (run.started_ns, run.last_event_ns, run.outcome) == (77, 99, "completed")


def test_the_lowest_rank_stands_for_a_run_of_one(record_of):
    """Where nobody speaks of several ranks, the measurements of the lowest are shown, and one row each."""
    snapshot = project(
        fold_all(
            [
                record_of(e.RunStarted(task="t", rank=1), producer="b"),
                record_of(update(1, policy_loss=1.0), producer="b"),
                record_of(e.RunStarted(task="t", rank=0), producer="z"),
                record_of(update(1, policy_loss=2.0), producer="z"),
            ]
        )
    )

    assert snapshot.tamiyo.policy_loss == 2.0
    assert [(rank.rank, rank.producer) for rank in snapshot.ranks] == [(0, "z"), (1, "b")]


def test_the_usual_rollout_of_a_rank_is_the_median_of_its_last_ones(record_of):
    """From the fifth on, so that neither the first one nor a single slow one makes it."""
    times = [900.0, 100.0, 110.0, None, math.nan, 120.0, 130.0]
    records = [record_of(update(n, rollout_time_ms=ms)) for n, ms in enumerate(times, 1)]
    (early,), (rank,) = (project(fold_all(told)).ranks for told in (records[:6], records))

    assert (early.median_rollout_ms, early.last_update) == (None, 6)
    assert (rank.median_rollout_ms, rank.last_update) == (120.0, 7)
