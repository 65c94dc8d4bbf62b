"""The projection shows the content of a state, under the names of the TELE records."""

import math

from tests.aggregator.fold.examples import update
from tests.aggregator.fold.validated import fold_all, project

from esper_aggregator.fold.run_state import RunState
from esper_schemas import events as e
from esper_schemas.snapshot import SanctumSnapshot


def test_before_any_event_the_snapshot_is_empty():
    """It equals a default snapshot, which says that no data was received."""
    assert project(RunState()) == SanctumSnapshot()
    assert not project(RunState()).tamiyo.ppo_data_received


def test_the_run_has_its_plan_progress_and_end(record_of):
    """The plan is from RunStarted, the progress from RolloutCompleted, the end from RunFinished."""
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


def test_the_lowest_rank_represents_a_run_of_single_ranks(record_of):
    """If the world size is 1, the measurements of the lowest rank are shown, and one row for each rank."""
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


def test_the_typical_rollout_time_of_a_rank_is_the_median_of_the_last_ones(record_of):
    """There is one from the fifth measured rollout on; a single slow rollout does not change it."""
    times = [900.0, 100.0, 110.0, None, math.nan, 120.0, 130.0]
    records = [record_of(update(n, rollout_time_ms=ms)) for n, ms in enumerate(times, 1)]
    (early,), (rank,) = (project(fold_all(folded)).ranks for folded in (records[:6], records))

    assert (early.median_rollout_ms, early.last_update) == (None, 6)
    assert (rank.median_rollout_ms, rank.last_update) == (120.0, 7)
