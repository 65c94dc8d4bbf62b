"""Values that trainers log under their own names become updates, rollouts and episodes."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.aggregator.fold.examples import update
from tests.aggregator.fold.validated import fold_all, project

from esper_schemas import events as e
from esper_schemas.codec import encode_snapshot
from esper_schemas.declarations import HeadSpec
from esper_schemas.events import Record
from esper_schemas.payload import HeadMeasures


def logged(step=None, /, **values):
    """One call of `log`; underscores of names become slashes."""
    return e.ScalarsLogged(
        values={name.replace("__", "/"): value for name, value in values.items()}, step=step
    )


@pytest.fixture
def snapshot_of(record_of):
    """Folds events and projects the state."""
    return lambda *events, **options: project(fold_all(record_of(event, **options) for event in events))


def test_the_calls_of_one_step_are_one_update(snapshot_of):
    """In any number of calls; the last update is shown before anything ends it."""
    snapshot = snapshot_of(
        logged(64, losses__approx_kl=0.01, losses__policy_loss=-0.5),
        logged(64, losses__value_loss=0.25),
        logged(128, losses__approx_kl=0.02),
        logged(128, losses__clipfrac=0.125),
    )

    assert snapshot.tamiyo.kl_divergence_history == (0.01, 0.02)
    assert snapshot.tamiyo.value_loss_history == (0.25, None)
    assert (snapshot.tamiyo.clip_fraction, snapshot.tamiyo.last_update) == (0.125, 2)
    assert snapshot.tamiyo.ppo_updates_count == 2
    assert (snapshot.run.env_steps_total, snapshot.run.last_step) == (128, 128)
    assert [entry.kind for entry in snapshot.recent_events] == ["PPOUpdateCompleted"] * 2


def test_a_step_that_counts_something_else_is_not_that_of_the_run(snapshot_of):
    """rsl_rl logs some values a second time, with seconds as their step."""
    snapshot = snapshot_of(
        e.ScalarsLogged(values={"Loss/surrogate": 0.5, "Train/mean_reward": 1.0}, step=7),
        e.ScalarsLogged(values={"Train/mean_reward/time": 1.0}, step=3),
    )

    assert (snapshot.run.last_step, snapshot.run.mean_return) == (7, 1.0)
    assert snapshot.scalars == {}


def test_names_become_fields_with_their_sign_and_scale(snapshot_of):
    """SB3 logs the negative entropy, rsl_rl seconds, and heads have a prefix."""
    snapshot = snapshot_of(
        logged(1, train__entropy_loss=-2.5, Perf__learning_time=0.5, train__approx_kl=0.1),
        logged(1, heads__op__entropy=1.5, heads__move__entropy=0.5, heads__move__std=0.25),
    )
    tamiyo = snapshot.tamiyo

    assert (tamiyo.entropy, tamiyo.update_time_ms, tamiyo.head_op_entropy) == (2.5, 500.0, 1.5)
    assert snapshot.run.conventions == {"kl_divergence": "k3"}


def test_a_zero_that_stands_for_not_computed_is_not_measured(snapshot_of):
    """RLlib logs a KL divergence of 0 where it has no KL penalty; a 0 of stable-baselines3 is measured."""
    stats = "info__learner__default_policy__learner_stats"
    snapshot = snapshot_of(
        logged(1, **{f"{stats}__kl": 0.0, f"{stats}__policy_loss": 0.0}),
        logged(2, train__approx_kl=0.0),
    )

    assert snapshot.tamiyo.kl_divergence_history == (None, 0.0)
    assert snapshot.tamiyo.policy_loss_history == (0.0, None)


def test_measurements_of_own_heads_are_in_the_payload(record_of):
    """They are those of one update, like its other metrics."""
    state = fold_all(
        [
            record_of(logged(1, heads__move__entropy=0.5, policy_loss=0.25)),
            record_of(logged(2, policy_loss=1.0)),
        ]
    )
    payload = state.producers["host:0"].ppo_updates[-1].payload

    assert payload.heads == {"move": HeadMeasures(entropy=0.5)}


def test_without_steps_a_repeated_name_begins_the_next_update(snapshot_of):
    """Calls with other names belong to the update before."""
    snapshot = snapshot_of(
        logged(policy_loss=1.0),
        logged(value_loss=2.0),
        logged(policy_loss=3.0),
        logged(value_loss=4.0),
    )

    assert snapshot.tamiyo.policy_loss_history == (1.0, 3.0)
    assert snapshot.tamiyo.value_loss_history == (2.0, 4.0)


def test_an_update_counts_when_a_metric_of_training_is_logged(snapshot_of):
    """Own scalars, returns and the learning rate alone are none."""
    nothing = snapshot_of(logged(1, kl_ref=3.0), logged(2, learning_rate=0.5, mean_return=9.0))
    assert (nothing.tamiyo.ppo_data_received, nothing.run.mean_return) == (False, 9.0)

    update = snapshot_of(logged(1, charts__learning_rate=0.5), logged(2, losses__entropy=1.0))
    assert (update.tamiyo.learning_rate, update.tamiyo.entropy) == (0.5, 1.0)
    assert update.tamiyo.ppo_updates_count == 1


def test_episodes_since_the_last_update_are_its_rollout(snapshot_of):
    """CleanRL logs each at its own step, several at once, and the length apart."""
    snapshot = snapshot_of(
        logged(10, charts__episodic_return=4.0),
        logged(10, charts__episodic_length=20.0),
        logged(10, charts__episodic_return=6.0),
        logged(10, charts__episodic_length=40.0),
        logged(64, losses__policy_loss=1.0),
        logged(70, charts__episodic_return=100.0),
        logged(128, losses__policy_loss=2.0),
        logged(130, charts__episodic_return=1.0),
    )

    assert snapshot.run.mean_return_history == (5.0, 100.0)
    assert snapshot.episodes.returns == (4.0, 6.0, 100.0, 1.0)
    assert snapshot.episodes.lengths == (20, 40, None, None)
    assert snapshot.episodes.completed == 4
    assert snapshot.run.mean_return == 100.0


def test_rollout_values_of_one_step_are_one_rollout(snapshot_of):
    """However many calls bring them."""
    snapshot = snapshot_of(
        logged(64, rollout__ep_rew_mean=1.0),
        logged(64, rollout__ep_len_mean=9.0),
        logged(64, time__fps=100.0),
        logged(128, rollout__ep_rew_mean=2.0),
        logged(128, rollout__ep_len_mean=8.0),
    )

    assert snapshot.run.mean_return_history == (1.0, 2.0)
    assert (snapshot.run.mean_return, snapshot.run.mean_length) == (2.0, 8.0)
    assert snapshot.run.steps_per_second is None


def test_an_evaluation_between_two_rollouts_is_none(snapshot_of):
    """Stable-Baselines3 dumps its values with the number of steps; the history of returns has no gap."""
    snapshot = snapshot_of(
        logged(64, rollout__ep_rew_mean=1.0, time__total_timesteps=64.0),
        logged(100, eval__mean_reward=5.0, time__total_timesteps=100.0),
        logged(128, rollout__ep_rew_mean=2.0, time__total_timesteps=128.0),
    )

    assert snapshot.run.mean_return_history == (1.0, 2.0)
    assert snapshot.run.env_steps_total == 128
    assert snapshot.scalars["eval/mean_reward"].step == 100


def test_a_step_that_goes_back_is_a_new_update_and_a_warning(snapshot_of):
    """Nothing is lost, and the log of the run names both steps."""
    snapshot = snapshot_of(
        logged(100, policy_loss=1.0), logged(200, policy_loss=2.0), logged(50, policy_loss=3.0)
    )

    assert snapshot.tamiyo.policy_loss_history == (1.0, 2.0, 3.0)
    assert [entry.message for entry in snapshot.log] == ["The step went back from 200 to 50."]


def test_updates_are_numbered_on_after_a_checkpoint(record_of):
    """Those of a resumed process follow the update from which it resumed."""
    first = [record_of(logged(n, policy_loss=float(n))) for n in (1, 2, 3, 4)]
    started = e.RunStarted(task="t", resumed_from=2)
    second = [record_of(event, epoch=8) for event in (started, logged(3, policy_loss=30.0))]
    snapshot = project(fold_all([*first, *second]))

    assert snapshot.tamiyo.last_update == 3
    assert snapshot.tamiyo.policy_loss_history == (1.0, 2.0, 30.0)
    assert snapshot.log == ()


def test_values_of_an_earlier_process_do_not_join_the_present_one(record_of):
    """A late event of an epoch that is over is only counted."""
    records = [
        record_of(logged(1, policy_loss=1.0)),
        record_of(e.RunStarted(task="t"), epoch=8),
        record_of(logged(2, policy_loss=2.0), epoch=8),
        record_of(logged(3, policy_loss=3.0)),
    ]

    assert project(fold_all(records)).tamiyo.policy_loss_history == (1.0, 2.0)


def test_payloads_and_logged_values_are_updates_in_their_order(snapshot_of):
    """A payload ends the open step; its own scalars are among those that were logged."""
    snapshot = snapshot_of(
        logged(1, policy_loss=1.0),
        update(2, policy_loss=2.0, scalars={"kl_ref": 5.0}),
        logged(3, policy_loss=3.0),
    )

    assert snapshot.tamiyo.policy_loss_history == (1.0, 2.0, 3.0)
    assert snapshot.tamiyo.last_update == 3
    assert snapshot.scalars["kl_ref"].value == 5.0


NAMES = st.sampled_from(
    [
        "policy_loss",
        "train/approx_kl",
        "charts/SPS",
        "charts/episodic_return",
        "charts/episodic_length",
        "rollout/ep_rew_mean",
        "learning_rate",
        "epochs_completed",
        "kl_ref",
        "heads/a/entropy",
    ]
)
VALUES = st.floats() | st.none() | st.sampled_from([1e308, -0.0, 3.0])
CALLS = st.builds(
    lambda values, step: e.ScalarsLogged(values=values, step=step),
    st.dictionaries(NAMES, VALUES, max_size=4),
    st.none() | st.integers(-2, 3) | st.sampled_from([2**63 - 1, -(2**63)]),
)
OTHERS = st.sampled_from(
    [
        update(7, policy_loss=1.0),
        e.RunStarted(task="t", resumed_from=1),
        e.RunFinished(outcome="completed", updates=1),
    ]
)


@given(st.lists(CALLS | OTHERS, max_size=12))
def test_a_snapshot_shows_open_steps_as_the_end_of_the_run_will(events):
    """Nothing is held back, nothing is rejected, and looking changes nothing."""

    def records(events):
        return [
            Record(run="r", producer="p", epoch=1, seq=seq, emitted_ns=1, received_ns=1, event=event)
            for seq, event in enumerate(events)
        ]

    state = fold_all(records(events))
    shown = project(state)
    ended = project(fold_all(records([*events, e.RunFinished(outcome="completed", updates=0)])))

    assert state.rejected == 0
    assert encode_snapshot(shown) == encode_snapshot(project(state))
    if state.producers:
        assert repr(shown.tamiyo) == repr(ended.tamiyo)
        assert repr(shown.scalars) == repr(ended.scalars)
        assert repr(shown.run.mean_return_history) == repr(ended.run.mean_return_history)


@pytest.mark.parametrize("size", [None, 5])
def test_a_restart_may_forget_or_change_a_head_that_was_not_finite(record_of, size):
    """A head that is declared again keeps its latch, whatever its size is now; one that is gone has none."""
    heads = () if size is None else (HeadSpec("a", size),)
    records = [
        record_of(logged(1, heads__a__entropy=math.inf)),
        record_of(e.RunStarted(task="t", heads=heads), epoch=8),
        record_of(logged(2, policy_loss=1.0), epoch=8),
    ]
    latch = project(fold_all(records)).tamiyo.head_inf_latch

    assert latch.get("a") is (None if size is None else True)
