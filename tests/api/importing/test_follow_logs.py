"""Tests of following a log directory: a run is the same as that of an import of the whole."""

import os
import random
import shutil

import pytest
from tests.api.importing.conftest import event_file, folded, recorded, updates

from esper_lite import RunFinished, open_run
from esper_lite.importing import follow_logs
from esper_lite.importing.follow_logs import EVENTS_LEFT_OUT, WANDB_LEFT_OUT, Destination, LogFollower
from esper_lite.importing.import_logs import PROGRESS_LEFT_OUT, import_logs
from esper_schemas.errors import Refused, RunExists


@pytest.fixture
def runs(tmp_path):
    """A directory of runs."""
    return tmp_path / "runs"


@pytest.fixture
def follow(runs, monkeypatch):
    """Starts followers that look for new files at every poll; they end with the test."""
    monkeypatch.setattr(follow_logs, "_SCAN_S", 0.0)
    monkeypatch.setattr(follow_logs, "_SCAN_SHARE", 0.0)
    followers = []

    def start(path, **options):
        followers.append(LogFollower(path, Destination(runs), **options))
        return followers[-1]

    yield start
    for follower in followers:
        follower.close("interrupted", "")


@pytest.fixture
def imported(runs):
    """What a log folds to if it is imported as a whole."""

    def fold(path, name="whole"):
        (result,) = import_logs(path, runs, name)
        return folded(result.run_dir)

    return fold


def test_a_followed_run_is_the_imported_one(follow, imported, log_dir, runs):
    """The file grows by pieces of any size, with a look at it after each."""
    whole = event_file(log_dir / "tfevents", *updates(1, 20)).read_bytes()
    (log_dir / "tfevents").write_bytes(b"")
    follower, dice, at = follow(log_dir), random.Random(0), 0
    with (log_dir / "tfevents").open("ab") as file:
        while at < len(whole):
            size = dice.randrange(1, 400)
            file.write(whole[at : at + size])
            file.flush()
            at += size
            follower.poll()
    follower.close("completed", "at its end")

    assert folded(runs / "logs") == imported(log_dir)
    assert [r.event for r in open_run(runs / "logs").records()][-1] == RunFinished(
        outcome="completed", updates=20, reason="at its end"
    )


@pytest.mark.parametrize("kill_after", range(1, 12))
def test_a_follower_that_was_killed_continues_where_it_was(follow, imported, log_dir, runs, kill_after):
    """Also within a step, whose update is not recorded as two."""
    events = updates(1, 4)
    event_file(log_dir / "tfevents", *events[:kill_after])
    killed = follow(log_dir)
    killed.poll()
    killed.close("interrupted", "")  # a kill leaves the same events; see the test of the command
    event_file(log_dir / "tfevents", *events)
    second = follow(log_dir)
    second.poll()
    (result,) = second.close("completed", "")

    assert folded(runs / "logs") == imported(log_dir)
    assert result.totals.updates == 4


def test_a_directory_may_appear_later_and_get_more_files(follow, tmp_path, runs):
    """Each new directory below it is a run; a second file of one continues it."""
    root = tmp_path / "tb"
    follower = follow(root)
    nothing = follower.poll()
    event_file(root / "PPO_1" / "tfevents.1", *updates(1, 2))
    found = [run.run_dir.name for run in follower.poll()]
    event_file(root / "PPO_1" / "tfevents.2", *updates(3, 4, begin=1700000100.0), begin=1700000100.0)
    event_file(root / "PPO_2" / "tfevents", *updates(1, 3))
    found += [run.run_dir.name for run in follower.poll()]
    ended = {run.run_dir.name: run.totals.updates for run in follower.close("interrupted", "")}

    assert (nothing, found) == ([], ["tb-PPO_1", "tb-PPO_2"])
    assert ended == {"tb-PPO_1": 4, "tb-PPO_2": 3}
    assert [step // 2048 for step, _ in recorded(runs / "tb-PPO_1")] == [1, 2, 3, 4]


def test_a_table_that_sb3_rewrites_gives_each_row_once(follow, log_dir, runs):
    """The header changes when a key appears; it is read when it is no longer being written."""
    table = log_dir / "progress.csv"
    table.write_text("time/total_timesteps,rollout/ep_rew_mean\n2048,1\n")
    follower = follow(log_dir)
    follower.poll()
    table.write_text("time/total_timesteps,rollout/ep_rew_mean,train/approx_kl\n2048,1,\n4096,2,0.01\n")
    follower.poll()
    during = len(recorded(runs / "logs")) if (runs / "logs").exists() else 0
    with table.open("a") as file:
        file.write("6144,3,0.02\n")
    for _ in range(3):
        follower.poll()
    follower.close("completed", "")

    assert during <= 1
    assert [step for step, _ in recorded(runs / "logs")] == [2048, 4096, 6144]
    assert recorded(runs / "logs")[1][1]["train/approx_kl"] == 0.01


def test_a_table_is_not_read_while_it_is_being_rewritten(follow, log_dir, runs):
    """Half of it is written in the new form already; the end of the old one follows."""
    table = log_dir / "progress.csv"
    table.write_text("time/total_timesteps,train/approx_kl\n1,0.1\n2,0.2\n")
    follower = follow(log_dir)
    follower.poll()
    header = "time/total_timesteps,train/approx_kl,train/loss\n"
    table.write_text(header + "1,0.1,\n2,0.2\n3,0.3,5\n4,0.9,9\n")
    follower.poll()
    table.write_text(header + "1,0.1,\n2,0.2,\n3,0.3,5\n")
    for _ in range(3):
        follower.poll()
    follower.close("completed", "")

    assert [values["train/approx_kl"] for _, values in recorded(runs / "logs")] == [0.1, 0.2, 0.3]


def test_a_training_that_is_started_anew_in_the_same_table_is_recorded_after_it(follow, log_dir, runs):
    """The table is shorter and begins otherwise."""
    table = log_dir / "progress.csv"
    table.write_text("time/total_timesteps,train/approx_kl\n1,0.1\n2,0.2\n3,0.3\n")
    follower = follow(log_dir)
    follower.poll()
    table.write_text("time/total_timesteps,train/approx_kl\n1,0.7\n")
    follower.poll()
    follower.poll()
    follower.close("completed", "")

    assert [values["train/approx_kl"] for _, values in recorded(runs / "logs")] == [0.1, 0.2, 0.3, 0.7]


def test_another_training_with_the_same_first_row_is_recorded_after_it(follow, log_dir, runs):
    """It is noticed where the rows differ, also by a follower that was started again."""
    table = log_dir / "progress.csv"
    table.write_text("time/total_timesteps,train/approx_kl\n1,0\n2,0.2\n")
    follower = follow(log_dir)
    follower.poll()
    follower.close("interrupted", "")
    table.write_text("time/total_timesteps,train/approx_kl\n1,0\n2,0.5\n3,0.6\n")
    again = follow(log_dir)
    for _ in range(3):
        again.poll()
    again.close("completed", "")

    assert [values["train/approx_kl"] for _, values in recorded(runs / "logs")] == [0, 0.2, 0, 0.5, 0.6]


def test_a_file_that_is_copied_over_and_over_gives_each_value_once(follow, log_dir, tmp_path, runs):
    """As rsync does: a new file takes the place of the old one, which is a part of it."""
    events = updates(1, 3)
    follower = follow(log_dir)
    for count in range(len(events) + 1):
        whole = event_file(tmp_path / "copy", *events[:count])
        whole.replace(log_dir / "tfevents")
        follower.poll()
        follower.poll()
    shutil.copy(event_file(tmp_path / "copy", *events[:4]), log_dir / "tfevents")  # shorter for a moment
    follower.poll()
    follower.poll()
    follower.close("completed", "")

    assert sum(len(values) for _, values in recorded(runs / "logs")) == 9


def test_what_is_not_followed_is_named(follow, log_dir):
    """W&B's files, and SB3's table beside its event file."""
    event_file(log_dir / "tfevents", *updates(1, 1))
    (log_dir / "progress.csv").write_text("time/total_timesteps,train/approx_kl\n2048,0.01\n")
    (log_dir / "run-x.wandb").write_bytes(b":W&B\xe1\xbe\x00")
    follower = follow(log_dir)
    follower.poll()
    (result,) = follower.close("completed", "")

    assert result.totals.rows == 1
    assert sorted(result.not_read.lines()) == sorted(
        [f"{PROGRESS_LEFT_OUT} (progress.csv): 1", f"{WANDB_LEFT_OUT} (run-x.wandb): 1"]
    )


@pytest.mark.parametrize("rows", ["", "2048,1,0.01\n"])
def test_an_event_file_may_appear_beside_a_table(follow, log_dir, runs, rows):
    """SB3 makes both files one after the other: the numbers come from one of them."""
    table = log_dir / "progress.csv"
    header = "time/total_timesteps,rollout/ep_rew_mean,train/approx_kl\n"
    table.write_text(header + rows)
    follower = follow(log_dir)
    follower.poll()
    event_file(log_dir / "tfevents", *updates(1, 2))
    table.write_text(header + "2048,1,0.01\n4096,2,0.01\n")
    for _ in range(3):
        follower.poll()
    (result,) = follower.close("completed", "")

    assert [step for step, _ in recorded(runs / "logs")] == [2048, 4096]
    assert result.not_read.lines() == [
        f"{EVENTS_LEFT_OUT} (tfevents): 1" if rows else f"{PROGRESS_LEFT_OUT} (progress.csv): 1"
    ]


def test_a_file_that_vanishes_or_cannot_be_read_does_no_harm(follow, log_dir, runs):
    """What was read stays."""
    path = event_file(log_dir / "tfevents", *updates(1, 2))
    follower = follow(log_dir)
    follower.poll()
    path.unlink()
    follower.poll()
    os.mkfifo(path)
    follower.poll()
    follower.close("completed", "")

    assert len(recorded(runs / "logs")) == 2


def test_a_run_cannot_be_followed_twice(follow, log_dir):
    """Both would record each value."""
    event_file(log_dir / "tfevents", *updates(1, 2))
    follow(log_dir).poll()

    with pytest.raises(Refused, match="is importing into"):
        follow(log_dir).poll()


def test_a_run_that_cannot_be_recorded_does_not_end_the_others(follow, connect, log_dir, runs):
    """The reason is reported; alone, it is an error."""
    connect("logs-b", runs_dir=runs).close()
    event_file(log_dir / "b" / "tfevents", *updates(1, 1))
    with pytest.raises(RunExists):
        follow(log_dir).poll()
    event_file(log_dir / "a" / "tfevents", *updates(1, 1))
    follower = follow(log_dir)
    found = [run.run_dir.name for run in follower.poll()]

    assert found == ["logs-a"]
    assert "logs-b was not made from a log" in follower.take_problems()[0]
    assert follower.poll() == follower.take_problems() == []
