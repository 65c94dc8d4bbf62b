"""The events of an update are bounded and ordered, and leave out what is irrelevant."""

import math

import pytest
import torch

from esper_schemas.codec import decode_event, encode_event
from esper_schemas.events import NumericalInstabilityReported
from esper_schemas.heads import CAUSAL, HEADS, Op, Stage
from esper_schemas.payload import PPOUpdatePayload
from esper_trainer.config import TrainingConfig
from esper_trainer.model.action_layout import OP
from esper_trainer.telemetry.episode_summary import EpisodeSummary
from esper_trainer.telemetry.training_events import (
    MAX_DETAILS,
    decisions_made,
    episodes_completed,
    instability_events,
    rollout_completed,
    run_started,
    seed_stages_changed,
    update_events,
)

T, N = 20, 3


@pytest.fixture
def episode_summary():
    """A summary of twenty steps of WAIT in three environments."""
    slots = torch.zeros(T, 3)
    return EpisodeSummary(
        returns=torch.tensor([1.0, 2.0, 6.0]),
        accuracy=torch.tensor([0.5, 0.75, 1.0]),
        stage_counts=torch.tensor([4.0, 1.0, 0.0, 0.0, 0.0, 4.0, 0.0]),
        rollbacks=torch.tensor(2.0),
        lengths=torch.tensor([20.0, 20.0, 7.0]),
        fossilized=torch.tensor([3.0, 1.0, 0.0]),
        actions=torch.zeros(T, 8),
        log_probs=torch.full((T, 8), math.log(0.25)),
        values=torch.arange(T) + 0.5,
        rewards=-torch.arange(float(T)),
        alive=torch.ones(T),
        stage_before=slots,
        stage_after=slots.clone(),
        blueprint=slots + 7.0,
        alpha=slots + 0.5,
        contribution=slots + 0.125,
        contribution_measured=slots.clone(),
    )


def test_a_rollout_is_summed_up(episode_summary):
    """Mean 3 and deviation sqrt(14 / 3) of 1, 2, 6; 60 steps in half a second."""
    event = rollout_completed(4, episode_summary, 60, 0.5)

    assert (event.update, event.env_steps, event.env_steps_total) == (4, 60, 240)
    assert (event.steps_per_second, event.duration_ms) == (120.0, 500.0)
    assert event.mean_return == 3.0
    assert event.std_return == pytest.approx(math.sqrt(14 / 3))
    assert event.mean_accuracy == 0.75
    assert event.stage_counts == (4, 1, 0, 0, 0, 4, 0)
    assert event.rollbacks == 2
    assert event.returns_not_finite == 0


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_returns_that_are_not_finite_are_counted(episode_summary, value):
    """One of three is not."""
    episode_summary.returns[1] = value

    assert rollout_completed(4, episode_summary, 60, 0.5).returns_not_finite == 1


def test_every_watched_environment_has_its_episode(episode_summary):
    """It has the return, the length, and the number of fossilised seeds."""
    events = list(episodes_completed(4, episode_summary))

    assert [event.environment for event in events] == [0, 1, 2]
    assert [event.episode_return for event in events] == [1.0, 2.0, 6.0]
    assert [event.length for event in events] == [20, 20, 7]
    assert [event.fossilized for event in events] == [3, 1, 0]
    assert {event.episode for event in events} == {4}


class TestDecisions:
    """There are at most eight: the newest ones that are not WAIT, and then the newest WAITs."""

    def steps(self, episode_summary):
        """The steps that are reported."""
        return [event.step for event in decisions_made(1, episode_summary)]

    def test_waiting_is_reported_if_there_was_nothing_else(self, episode_summary):
        """These are the last eight steps."""
        assert self.steps(episode_summary) == list(range(12, 20))

    def test_other_ops_take_precedence_over_waiting(self, episode_summary):
        """Two early ops and the last six steps are reported, in order of time."""
        episode_summary.actions[[1, 3], OP] = float(Op.ADVANCE)

        assert self.steps(episode_summary) == [1, 3, 14, 15, 16, 17, 18, 19]

    def test_only_the_newest_of_many_are_reported(self, episode_summary):
        """Of ten ops in the first ten steps, these are the last eight."""
        episode_summary.actions[:10, OP] = float(Op.PRUNE)

        assert self.steps(episode_summary) == list(range(2, 10))

    def test_steps_while_suspended_are_not_reported(self, episode_summary):
        """Only the five steps before the suspension are."""
        episode_summary.alive[5:] = 0.0

        assert self.steps(episode_summary) == [0, 1, 2, 3, 4]

    @pytest.mark.parametrize("op", Op)
    def test_only_relevant_heads_are_named(self, episode_summary, op):
        """Each has the chosen index and its probability."""
        episode_summary.actions[:] = torch.tensor([float(op), 2, 5, 1, 2, 1, 3, 4])

        event = list(decisions_made(1, episode_summary))[-1]

        assert set(event.choices) == set(event.confidences) == CAUSAL[op]
        assert event.choices["op"] == op
        assert event.confidences["op"] == pytest.approx(0.25)
        assert event.choices.get("blueprint", 5) == 5
        assert (event.step, event.value, event.reward) == (19, 19.5, -19.0)


class TestStageChanges:
    """There are at most eight, the newest ones, in order of time."""

    def test_slots_that_do_not_change_are_not_reported(self, episode_summary):
        """There are no events without a change of stage."""
        assert list(seed_stages_changed(1, episode_summary)) == []

    def test_a_change_is_reported_with_its_seed(self, episode_summary):
        """It has both stages, blueprint and alpha, and a contribution if that was measured."""
        episode_summary.stage_after[3, 1] = float(Stage.GERMINATED)
        episode_summary.stage_before[9, 2] = float(Stage.HOLDING)
        episode_summary.stage_after[9, 2] = float(Stage.FOSSILIZED)
        episode_summary.contribution_measured[9, 2] = 1.0

        first, second = seed_stages_changed(6, episode_summary)

        assert (first.update, first.environment, first.step, first.slot) == (6, 0, 3, 1)
        assert (first.from_stage, first.to_stage) == (Stage.DORMANT, Stage.GERMINATED)
        assert (first.blueprint, first.alpha, first.contribution) == (7, 0.5, None)
        assert (second.from_stage, second.to_stage) == (Stage.HOLDING, Stage.FOSSILIZED)
        assert second.contribution == 0.125

    def test_only_the_newest_of_many_are_reported(self, episode_summary):
        """Of changes of three slots in each of twenty steps, these are the last eight."""
        episode_summary.stage_after[:] = 1.0

        events = list(seed_stages_changed(1, episode_summary))

        assert len(events) == MAX_DETAILS
        assert (events[-1].step, events[-1].slot) == (19, 2)


def test_the_events_of_an_update_are_in_order(episode_summary):
    """The rollout, its episodes, decisions and changes come first, and the update itself last."""
    episode_summary.stage_after[0, 0] = 1.0
    payload = PPOUpdatePayload(policy_loss=0.5)

    kinds = [type(event).__name__ for event in update_events(1, episode_summary, payload, 60, 0.5)]

    assert list(dict.fromkeys(kinds)) == [
        "RolloutCompleted",
        "EpisodeCompleted",
        "DecisionMade",
        "SeedStageChanged",
        "PPOUpdateCompleted",
    ]


def test_all_events_round_trip(episode_summary):
    """They have plain numbers and no tensors."""
    episode_summary.stage_after[0, 0] = 1.0
    events = [
        run_started(TrainingConfig(), 64, 3.0),
        *update_events(1, episode_summary, PPOUpdatePayload(policy_loss=math.inf), 60, 0.5),
    ]

    assert [decode_event(encode_event(event)) for event in events] == events


def test_a_run_begins_with_its_settings():
    """Its event has the settings, the process's environments, the WAIT baseline and the version of torch."""
    event = run_started(TrainingConfig(seed=7, target_kl=0.0), 32, 3.25)

    assert event.task == "digits-lite"
    assert (event.environments, event.horizon, event.seed) == (32, 64, 7)
    assert event.target_kl is None
    assert event.clip_range == 0.2
    assert event.baseline_return == 3.25
    assert event.config["learning_rate"] == TrainingConfig().learning_rate
    assert event.config["torch"] == torch.__version__
    assert set(HEADS).isdisjoint(event.config)


def test_m3_gradients_that_are_not_finite_are_reported_with_their_norm():
    """The event has the counts, and the norm before clipping."""
    payload = PPOUpdatePayload(nan_grad_count=3, inf_grad_count=1, grad_norm_pre_clip=math.inf)

    assert list(instability_events(4, payload)) == [
        NumericalInstabilityReported(
            update=4, nan_count=3, inf_count=1, where=("gradient",), grad_norm_pre_clip=math.inf
        )
    ]


@pytest.mark.parametrize(
    ("payload", "returns", "where"),
    [
        ({"nan_grad_count": 2, "value_loss": math.nan}, 1, ("reward", "loss", "gradient")),
        ({"value_loss": math.inf}, 0, ("loss",)),
        ({"policy_loss": math.nan}, 0, ("loss",)),
        ({}, 3, ("reward",)),
    ],
)
def test_m3_a_report_says_where_it_began(payload, returns, where):
    """The order is that in which they cause each other: rewards, losses, gradients."""
    (report,) = instability_events(4, PPOUpdatePayload(**payload), returns)

    assert report.where == where


def test_a_healthy_update_reports_nothing():
    """Counts of 0 are healthy."""
    assert list(instability_events(4, PPOUpdatePayload(nan_grad_count=0, inf_grad_count=0))) == []
