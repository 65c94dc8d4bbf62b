"""`esper ppo --no-tui` on a new runs directory: its record is whole and says what happened."""

import json
import math

import pytest

from esper_schemas.heads import HEAD_MAX_ENTROPIES, HEADS

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def finished(playground, commands):
    """A finished training of ten updates."""
    return playground.run([*commands["train"], "--envs", "8", "--episodes", "10", "--name", "first"])


@pytest.fixture(scope="module")
def run_dir(finished, playground):
    """The directory of that training."""
    assert finished.returncode == 0, finished.stderr
    return str(playground.runs_dir / "first")


@pytest.fixture(scope="module")
def state(run_dir, playground, commands):
    """The output of `esper state` for it."""
    result = playground.run([*commands["esper"], "state", run_dir])
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_training_ends_with_a_summary(finished):
    """It has updates, speed, the return compared with WAIT, and the path of the log."""
    assert finished.returncode == 0, finished.stderr
    for word in ("10 updates", "steps/s", "WAIT", "runs/first"):
        assert word in finished.stdout
    assert "Traceback" not in finished.stderr


def test_the_log_is_whole(run_dir, playground, commands):
    """No event is missing, duplicated or damaged."""
    result = playground.run([*commands["esper"], "log", "verify", run_dir, "--json"])
    verdict = json.loads(result.stdout)

    assert result.returncode == 0
    assert verdict["ok"] is True
    assert [(p["gaps"], p["duplicates"]) for p in verdict["producers"]] == [(0, 0)]
    assert (verdict["dropped"], verdict["rejected"], verdict["damaged"]) == (0, 0, [])


def test_the_state_has_ten_updates_and_finite_losses(state):
    """The fold of the log agrees with what the trainer did."""
    tamiyo = state["tamiyo"]

    assert tamiyo["ppo_updates_count"] == 10
    assert math.isfinite(tamiyo["policy_loss"])
    assert math.isfinite(tamiyo["value_loss"])
    assert len(tamiyo["policy_loss_history"]) == 10
    assert state["run"]["outcome"] == "completed"
    assert state["run"]["episodes"] == 10


@pytest.mark.parametrize("head", HEADS)
def test_tele_170_every_heads_entropy_is_within_its_range(state, head):
    """It is measured in nats, above 0 and at most ln n."""
    assert 0 < state["tamiyo"][f"head_{head}_entropy"] <= HEAD_MAX_ENTROPIES[head] + 1e-6


def test_tele_151_ratio_maxima_differ_and_exceed_one(state):
    """The policy has moved, and not by the same amount for all heads."""
    maxima = [state["tamiyo"][f"head_{head}_ratio_max"] for head in HEADS]

    assert all(ratio > 1 for ratio in maxima)
    assert len(set(maxima)) > 1


def test_time_travel_by_position(run_dir, playground, commands, state):
    """The state at an earlier position has fewer updates."""
    result = playground.run([*commands["esper"], "state", run_dir, "--at", "20"])
    earlier = json.loads(result.stdout)

    assert earlier["events_folded"] == 20
    assert earlier["tamiyo"]["ppo_updates_count"] < state["tamiyo"]["ppo_updates_count"]


def test_the_log_can_be_read_by_people(run_dir, playground, commands):
    """`info` counts the events, `cat` lists them."""
    info = playground.run([*commands["esper"], "log", "info", run_dir])
    cat = playground.run([*commands["esper"], "log", "cat", run_dir])

    assert "PPOUpdateCompleted" in info.stdout
    assert sum("PPOUpdateCompleted" in line for line in cat.stdout.splitlines()) == 10


def test_a_recorded_run_can_be_shown(run_dir, playground, commands):
    """`sanctum PATH --once` prints the end of the run as one frame."""
    frame = playground.run([*commands["sanctum"], run_dir, "--once"])

    assert frame.returncode == 0, frame.stderr
    assert "PPO LOSSES" in frame.stdout
    assert "ACTION HEADS" in frame.stdout


def test_a_training_without_an_aggregator_is_recorded(playground, commands, tmp_path):
    """No aggregator can be started there, which is a warning on stderr."""
    (tmp_path / "aggregator.log").mkdir()
    command = [
        *commands["train"],
        "--episodes",
        "1",
        "--envs",
        "4",
        "--name",
        "x",
        "--runs-dir",
        str(tmp_path),
    ]
    trained = playground.run(command)
    verdict = playground.run([*commands["esper"], "log", "verify", str(tmp_path / "x")])

    assert trained.returncode == 0, trained.stderr
    assert "recording without an aggregator" in trained.stderr
    assert "completed: 1 updates" in trained.stdout
    assert verdict.returncode == 0, verdict.stdout


def test_a_run_of_the_same_name_is_refused(run_dir, playground, commands):
    """A second training cannot write into the directory of the first."""
    again = playground.run([*commands["train"], "--episodes", "1", "--name", "first"])

    assert again.returncode == 1
    assert again.stderr.count("\n") == 1
    assert "--name" in again.stderr
