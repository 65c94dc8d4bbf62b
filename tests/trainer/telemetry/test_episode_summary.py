"""The summary of a rollout, computed on the device."""

import pytest
import torch

from esper_schemas.heads import HEADS, Stage
from esper_trainer.ppo.rollout_buffer import Transitions, empty_transitions
from esper_trainer.ppo.rollout_collector import TRACED_ENVIRONMENT, CollectedRollout, SlotHistory
from esper_trainer.telemetry.episode_summary import MAX_EPISODES, EpisodeSummary, episode_summary

T, N = 4, 20
CPU = torch.device("cpu")


@pytest.fixture
def collected():
    """A rollout whose numbers identify their positions."""
    buffer = empty_transitions(T, N, 6, CPU)
    transitions = Transitions(
        *(torch.arange(tensor.numel()).view(tensor.shape).to(tensor.dtype) for tensor in buffer)
    )
    alive = torch.ones(T, N, dtype=torch.bool)
    alive[3, 2] = False
    stage = torch.full((3, N), int(Stage.DORMANT))
    stage[:2, 1] = int(Stage.FOSSILIZED)
    stage[0, N - 1] = int(Stage.TRAINING)
    history = SlotHistory(*(torch.full((T, 3), float(index)) for index in range(6)))
    rollbacks = torch.zeros(N, dtype=torch.int64)
    rollbacks[[4, 7]] = torch.tensor([1, 2])
    return CollectedRollout(
        transitions._replace(alive=alive), history, torch.linspace(0, 1, N), stage, rollbacks
    )


@pytest.fixture
def summary(collected):
    """The summary of the rollout."""
    return episode_summary(collected)


def test_returns_and_accuracies_are_of_all_environments(collected, summary):
    """Returns are not discounted."""
    assert torch.equal(summary.returns, collected.transitions.rewards.sum(0))
    assert torch.equal(summary.accuracy, collected.accuracy)


def test_stages_and_rollbacks_are_counted_over_all_environments(summary):
    """One count per stage, which add up to the number of slots."""
    counts = {Stage(index): int(count) for index, count in enumerate(summary.stage_counts)}

    assert counts[Stage.FOSSILIZED] == 2
    assert counts[Stage.TRAINING] == 1
    assert sum(counts.values()) == 3 * N
    assert summary.rollbacks.item() == 3


def test_lengths_and_fossils_are_of_the_first_environments(summary):
    """A step in which the host was suspended does not count."""
    assert summary.lengths.tolist() == [4, 4, 3] + [4] * (MAX_EPISODES - 3)
    assert summary.fossilized.tolist() == [0, 2] + [0] * (MAX_EPISODES - 2)


def test_steps_are_those_of_the_traced_environment(collected, summary):
    """There is one row per step, with the history of its slots."""
    transitions = collected.transitions

    assert summary.actions.shape == summary.log_probs.shape == (T, len(HEADS))
    assert torch.equal(summary.actions, transitions.actions[:, :, TRACED_ENVIRONMENT])
    assert torch.equal(summary.values, transitions.values[:, TRACED_ENVIRONMENT])
    assert torch.equal(summary.rewards, transitions.rewards[:, TRACED_ENVIRONMENT])
    assert [tensor[0, 0].item() for tensor in summary[-6:]] == [0, 1, 2, 3, 4, 5]
    assert EpisodeSummary._fields[-6:-4] == ("stage_before", "stage_after")
