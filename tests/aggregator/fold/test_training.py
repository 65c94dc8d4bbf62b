"""How updates, rollouts and episodes of one producer are counted and kept."""

import math

from tests.aggregator.fold.examples import rollout, update
from tests.aggregator.fold.validated import fold_all, project

from esper_aggregator.fold.run_state import (
    KEPT_EPISODES,
)
from esper_schemas import events as e


def test_rollbacks_and_returns_that_are_not_finite_add_up(record_of):
    """They are summed over all ranks: 2 + 1 + 4 and 1; a missing count adds nothing."""

    records = [
        record_of(rollout(1, rollbacks=2)),
        record_of(rollout(2, rollbacks=1, returns_not_finite=1)),
        record_of(rollout(3)),
        record_of(rollout(1, rollbacks=4), producer="host:1"),
    ]
    snapshot = project(fold_all(records))

    assert (snapshot.run.rollbacks_total, snapshot.run.returns_not_finite_total) == (7, 1)
    assert snapshot.recent_events[1].text.endswith("1 hosts rolled back, 1 returns are not finite")


def test_what_no_rank_counts_is_unknown_and_not_zero(record_of):
    """A trainer of another library has no hosts that could be rolled back."""
    run = project(fold_all([record_of(e.RolloutCompleted(update=1))])).run

    assert (run.rollbacks_total, run.returns_not_finite_total, run.env_steps_total) == (None, None, None)


def test_the_last_episodes_are_listed_and_all_are_counted(shown):
    """Returns, lengths and accuracies of the last 64 episodes."""
    episodes = [
        e.EpisodeCompleted(environment=0, episode=n, episode_return=n / 2, length=n) for n in range(70)
    ]
    shown_episodes = shown(*episodes).episodes

    assert shown_episodes.completed == 70
    assert shown_episodes.returns == tuple(n / 2 for n in range(6, 70))
    assert shown_episodes.lengths == tuple(range(6, 70))
    assert shown_episodes.accuracies == (None,) * KEPT_EPISODES


def test_a_late_event_of_an_earlier_epoch_does_not_change_the_present_one(record_of):
    """Events from a dead process's spool after its successor began neither end nor escalate the run."""
    late = [
        e.RunFinished(outcome="failed", updates=1),
        e.TelemetryEscalated(update=1, level=3, until_update=99),
        e.EpisodeCompleted(environment=0, episode=1, episode_return=7.0, length=1),
        update(2, policy_loss=9.0, head_op_entropy=math.nan),
        e.RunStarted(task="old"),
    ]
    records = [record_of(update(1), epoch=1), record_of(e.RunStarted(task="new"), epoch=2)]
    records += [record_of(update(2, policy_loss=1.0), epoch=2)]
    snapshot = project(fold_all([*records, *(record_of(event, epoch=1) for event in late)]))

    assert (snapshot.run.task, snapshot.run.outcome, snapshot.telemetry) == ("new", None, ())
    assert (snapshot.tamiyo.policy_loss, snapshot.tamiyo.last_update) == (1.0, 2)
    assert snapshot.tamiyo.ppo_updates_count == 3
    assert snapshot.tamiyo.head_nan_latch["op"]
    assert (snapshot.episodes.completed, snapshot.episodes.returns) == (1, ())


def test_updates_that_are_made_again_after_a_restart_count_once(record_of):
    """A trainer that was killed after update 5 and resumed from 3 has made 8 updates after update 8."""
    first = [record_of(update(n), epoch=1) for n in range(1, 6)]
    started = record_of(e.RunStarted(task="t", resumed_from=3), epoch=2)
    again = [record_of(update(n), epoch=2) for n in range(4, 9)]
    snapshot = project(fold_all([*first, started, *again]))

    assert (snapshot.tamiyo.ppo_updates_count, snapshot.tamiyo.last_update) == (8, 8)
    assert [rank.updates for rank in snapshot.ranks] == [8]
