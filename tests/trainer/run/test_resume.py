"""A resumed run equals the uninterrupted one, and a run that cannot be resumed is refused in one sentence."""

import os
import shutil
import signal
import subprocess
import sys

import msgspec
import pytest
import torch

from esper_bus.store.run_reader import read_records
from esper_schemas.errors import InvalidArgument
from esper_schemas.events import (
    CheckpointSaved,
    LogRecorded,
    PPOUpdateCompleted,
    RolloutCompleted,
    RunFinished,
    RunStarted,
    VitalsSampled,
)
from esper_trainer.config import TrainingConfig
from esper_trainer.run.checkpoint_file import CheckpointFiles, read, write
from esper_trainer.run.resume import last_checkpoint, resumed_config
from esper_trainer.session import TrainingPlan, record_training

ABOUT_THE_PROCESS = RunStarted | RunFinished | CheckpointSaved | VitalsSampled


def config_of(**settings):
    """A small run on one thread, with everything that draws random numbers."""
    settings = {"episodes": 5, "environments": 4, "minibatches": 2, "threads": 1} | settings
    settings |= {"value_normalisation": "popart", "learning_rate_schedule": "cosine"}
    return TrainingConfig(hidden_size=16, checkpoint_every=2, **settings)


def events_of(run_dir):
    """All events of a run in the order of their recording, epoch after epoch."""
    return [record.event for record in read_records(run_dir)]


def learnt(event):
    """An event without times, as bytes."""
    if isinstance(event, RolloutCompleted):
        event = msgspec.structs.replace(event, steps_per_second=0.0, duration_ms=0.0)
    if isinstance(event, PPOUpdateCompleted):
        values = {name: None for name in event.payload.__struct_fields__ if name.endswith("time_ms")}
        event = msgspec.structs.replace(event, payload=msgspec.structs.replace(event.payload, **values))
    return msgspec.msgpack.encode(event)


def learning_of(run_dir):
    """The events of a run that are not about its processes, without times."""
    return [learnt(event) for event in events_of(run_dir) if not isinstance(event, ABOUT_THE_PROCESS)]


def resume(run_dir, **given):
    """Resume a run."""
    start = last_checkpoint(run_dir)
    return record_training(TrainingPlan(resumed_config(start, given), run_dir, start), False)


def interrupt_after(updates):
    """A callback that ends the training as Ctrl-C does."""

    def on_update(report):
        if report.update == updates:
            os.kill(os.getpid(), signal.SIGINT)

    return on_update


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that was never interrupted."""
    run_dir = tmp_path_factory.mktemp("runs") / "whole"
    run_dir.mkdir()
    record_training(TrainingPlan(config_of(), run_dir), False)
    return run_dir


@pytest.mark.slow
@pytest.mark.parametrize("updates", [1, 2, 3])
def test_an_interrupted_and_resumed_run_is_the_uninterrupted_one(tmp_path, whole, updates):
    """All events but those about processes are byte-identical, wherever it was interrupted."""
    record_training(TrainingPlan(config_of(), tmp_path), False, interrupt_after(updates))
    recorded = resume(tmp_path)
    epochs = {record.epoch for record in read_records(tmp_path)}
    started = [event for event in events_of(tmp_path) if isinstance(event, RunStarted)]

    assert learning_of(tmp_path) == learning_of(whole)
    assert len(epochs) == 2
    assert [event.resumed_from for event in started] == [None, updates]
    assert started[0].baseline_return == started[1].baseline_return
    assert (recorded.summary.outcome, recorded.summary.updates) == ("completed", 5)
    assert events_of(tmp_path)[-1] == RunFinished(outcome="completed", updates=5)


@pytest.mark.slow
def test_checkpoints_are_reported_and_the_last_ones_are_kept(whole):
    """There is one after every second update and one at the end, each with its duration."""
    saved = [event for event in events_of(whole) if isinstance(event, CheckpointSaved)]

    assert [event.update for event in saved] == [2, 4, 5]
    assert all(event.duration_ms is not None and 0 < event.duration_ms < 60_000 for event in saved)
    assert [whole / event.path for event in saved] == sorted((whole / "checkpoints").iterdir())
    assert CheckpointFiles(whole).updates() == [2, 4, 5]


@pytest.mark.slow
def test_a_killed_run_resumes_from_its_last_checkpoint(tmp_path, whole):
    """The update after the checkpoint is made again, with the same result."""
    record_training(TrainingPlan(config_of(), tmp_path), False, interrupt_after(3))
    CheckpointFiles(tmp_path).path(3).unlink()  # as if the end had not been reached
    resume(tmp_path)
    updates = [event for event in events_of(tmp_path) if isinstance(event, PPOUpdateCompleted)]

    assert [event.update for event in updates] == [1, 2, 3, 3, 4, 5]
    assert learnt(updates[2]) == learnt(updates[3])


@pytest.mark.slow
def test_a_completed_run_resumes_with_more_episodes(tmp_path):
    """Without more episodes it is refused."""
    record_training(TrainingPlan(config_of(episodes=1), tmp_path), False)

    with pytest.raises(InvalidArgument, match="has completed its 1 episodes"):
        resume(tmp_path)
    assert resume(tmp_path, episodes=2).summary.updates == 2


@pytest.mark.slow
def test_settings_that_shaped_the_run_may_not_change(whole):
    """The message names the setting and both values."""
    start = last_checkpoint(whole)

    with pytest.raises(InvalidArgument, match="seed is 0 in this run and cannot change to 7"):
        resumed_config(start, {"seed": 7, "episodes": 9})
    assert resumed_config(start, {"seed": 0, "episodes": 9}).episodes == 9


@pytest.mark.slow
def test_a_run_resumes_on_another_kind_of_device(tmp_path):
    """Its generators are reseeded, because states differ by device; this is deterministic and logged."""
    record_training(TrainingPlan(config_of(episodes=1), tmp_path), False)
    path = CheckpointFiles(tmp_path).path(1)
    checkpoint = read(path)
    foreign = {name: torch.full((16,), 7, dtype=torch.uint8) for name in checkpoint.state.generators}
    write(path, checkpoint._replace(state=checkpoint.state._replace(generators=foreign)))
    twin = shutil.copytree(tmp_path, tmp_path / "twin")
    for run_dir in (tmp_path, twin):
        resume(run_dir, episodes=2)
    logged = [event.message for event in events_of(tmp_path) if isinstance(event, LogRecorded)]

    assert logged == ["The run resumes on another kind of device; its random number generators are reseeded."]
    assert learning_of(tmp_path) == learning_of(twin)


def test_telemetry_and_capture_may_change(whole):
    """They do not affect what is learnt."""
    start = last_checkpoint(whole)

    assert resumed_config(start, {"telemetry": "debug", "capture": False, "episodes": 9}).telemetry == "debug"


@pytest.mark.slow
def test_a_checkpoint_of_another_shape_is_refused(tmp_path):
    """The hidden size of its settings is not that of its tensors."""
    record_training(TrainingPlan(config_of(episodes=1), tmp_path), False)
    path = CheckpointFiles(tmp_path).path(1)
    checkpoint = read(path)
    write(path, checkpoint._replace(config={**checkpoint.config, "hidden_size": 8}))

    with pytest.raises(InvalidArgument, match="another policy; start a new run"):
        resume(tmp_path, episodes=2)


@pytest.mark.slow
def test_a_disk_that_fails_costs_a_checkpoint_but_not_the_run(tmp_path):
    """A warning is logged, and training continues."""
    (tmp_path / "checkpoints").write_text("in the way")
    recorded = record_training(TrainingPlan(config_of(episodes=2), tmp_path), False)
    warnings = [event for event in events_of(tmp_path) if isinstance(event, LogRecorded)]

    assert recorded.summary.outcome == "completed"
    assert "training continues without it" in warnings[0].message


class TestModule:
    """`python -m esper_trainer`."""

    def run(self, runs_dir, *arguments):
        """Run it in a separate process."""
        command = [sys.executable, "-m", "esper_trainer", "--runs-dir", str(runs_dir), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    @pytest.mark.process
    def test_the_same_seed_gives_the_same_bytes(self, tmp_path):
        """Two runs of the command, apart from times and processes; another seed is another run."""
        runs = [("one", "3"), ("again", "3"), ("other", "4")]
        for name, seed in runs:
            options = ("--name", name, "--seed", seed, "--telemetry", "debug")
            result = self.run(tmp_path, *options, "--envs", "2", "--threads", "1", "--episodes", "2")
            assert result.returncode == 0, result.stderr
        one, again, other = (learning_of(tmp_path / name) for name, _ in runs)

        assert one == again
        assert len(one) > 20
        assert one != other

    @pytest.mark.process
    def test_a_run_is_created_once_and_resumed_by_its_name(self, tmp_path):
        """Another training of that name is refused; `--resume` continues it."""
        first = ("--name", "mine", "--envs", "2", "--threads", "1", "--episodes", "1")
        made, again = self.run(tmp_path, *first), self.run(tmp_path, *first)
        resumed = self.run(tmp_path, "--resume", "mine", "--episodes", "2")

        assert made.returncode == 0, made.stderr
        assert again.returncode == 1
        assert again.stderr.count("\n") == 1
        assert "--resume mine" in again.stderr
        assert resumed.returncode == 0, resumed.stderr
        assert "2/2  return" in resumed.stdout

    @pytest.mark.process
    @pytest.mark.parametrize("case", ["unknown", "without", "torn"])
    def test_a_run_that_cannot_be_resumed_is_reported_in_one_sentence(self, tmp_path, whole, case):
        """It does not exist, has no checkpoint, or has a torn one."""
        if case != "unknown":
            (tmp_path / "mine" / "spool").mkdir(parents=True)
        if case == "torn":
            directory = tmp_path / "mine" / "checkpoints"
            directory.mkdir()
            (directory / "00000005-rank0.pt").write_bytes(CheckpointFiles(whole).path(5).read_bytes()[:999])
        result = self.run(tmp_path, "--resume", "mine")

        assert result.returncode == 1
        assert result.stderr.count("\n") == 1, result.stderr
        assert {"unknown": "no run mine", "without": "no checkpoint", "torn": "damaged"}[
            case
        ] in result.stderr

    @pytest.mark.process
    def test_a_run_that_is_being_trained_cannot_be_resumed(self, tmp_path):
        """The message says that another process trains it."""
        command = [sys.executable, "-m", "esper_trainer", "--runs-dir", str(tmp_path), "--name", "mine"]
        command += ["--envs", "2", "--threads", "1", "--checkpoint-every", "1", "--episodes", "1000"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as training:
            lines = iter(training.stdout.readline, "")
            assert next(line for line in lines if " 3/1000" in line)
            result = self.run(tmp_path, "--resume", "mine")
            training.send_signal(signal.SIGINT)
            training.communicate()

        assert result.returncode == 1
        assert "being trained by another process" in result.stderr
        assert result.stderr.count("\n") == 1
