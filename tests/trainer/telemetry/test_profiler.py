"""`--profile` writes a trace of a real run that names the parts of an update."""

import gzip
import json
import subprocess
import sys

import pytest

pytest.importorskip("torch")

from tests.trainer.sink import Sink

from esper_bus.store.run_reader import read_records
from esper_schemas.errors import StorageError
from esper_schemas.events import LogRecorded, RunFinished
from esper_trainer.config import TrainingConfig
from esper_trainer.runner import Trainer
from esper_trainer.telemetry.profiler import Profiler, _schedule

REGIONS = {"rollout", "update", "telemetry"}
SMALL = {"environments": 2, "threads": 1, "hidden_size": 8, "epochs": 1}


def regions(path):
    """How often each region is in a trace."""
    with gzip.open(path, "rt") as file:
        names = [event.get("name") for event in json.load(file)["traceEvents"] if event.get("ph") == "X"]
    return {name: names.count(name) for name in REGIONS}


@pytest.mark.slow
def test_the_trace_has_up_to_two_updates_and_names_their_parts(tmp_path):
    """An event and the summary have its directory."""
    sink = Sink()
    directory = tmp_path / "traces"
    summary = Trainer(
        TrainingConfig(episodes=4, **SMALL), sink.connect, profiler=Profiler(directory, rank=3)
    ).run()
    (trace,) = directory.iterdir()

    assert trace.name.startswith("rank3.")
    assert trace.name.endswith(".pt.trace.json.gz")
    assert regions(trace) == dict.fromkeys(REGIONS, 2)
    assert summary.profile == directory
    assert [event for event in sink.events if isinstance(event, LogRecorded)] == [
        LogRecorded(level="info", message=f"A profile was written to {directory}.")
    ]
    assert isinstance(sink.events[-1], RunFinished)


@pytest.mark.filterwarnings("ignore:Profiler won't be using warmup")
@pytest.mark.parametrize(
    ("updates", "skipped", "actions"),
    [
        (1, 1, ["RECORD_AND_SAVE"]),
        (2, 1, ["WARMUP", "RECORD_AND_SAVE"]),
        (3, 1, ["NONE", "WARMUP", "RECORD_AND_SAVE"]),
        (6, 2, ["NONE", "NONE", "WARMUP", "RECORD", "RECORD_AND_SAVE", "NONE"]),
    ],
)
def test_updates_before_graphs_are_captured_are_not_in_the_trace(updates, skipped, actions):
    """They are skipped, and the profiler warms up for one; a short run has a recorded update all the same."""
    plan = _schedule(updates, skipped)

    assert [plan(update).name for update in range(updates)] == actions


@pytest.mark.slow
def test_a_run_that_ends_early_keeps_what_was_recorded(tmp_path):
    """It ends while the third of five updates is recorded."""
    sink = Sink()
    trainer = Trainer(
        TrainingConfig(episodes=5, **SMALL),
        sink.connect,
        lambda report: trainer.stop() if report.update == 2 else None,
        profiler=Profiler(tmp_path),
    )

    assert trainer.run().outcome == "interrupted"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.slow
def test_a_profile_that_cannot_be_written_does_not_end_the_training(tmp_path):
    """Its directory has become a file: there is a warning, and the run is completed."""
    sink = Sink()
    directory = tmp_path / "traces"
    profiler = Profiler(directory)
    directory.rmdir()
    directory.write_text("in the way")
    summary = Trainer(TrainingConfig(episodes=1, **SMALL), sink.connect, profiler=profiler).run()

    assert (summary.outcome, summary.profile) == ("completed", None)
    (line,) = [event for event in sink.events if isinstance(event, LogRecorded)]
    assert line.level == "warning"
    assert "training continues without it" in line.message


def test_an_impossible_directory_is_refused(tmp_path):
    """`Profiler` raises, before anything is trained."""
    (tmp_path / "file").write_text("")

    with pytest.raises(StorageError, match="--profile"):
        Profiler(tmp_path / "file" / "traces")


class TestCommand:
    """`python -m esper_trainer --profile`, whose options `esper ppo` has too."""

    def run(self, tmp_path, *arguments):
        """Run it in a separate process."""
        command = [sys.executable, "-m", "esper_trainer", "--envs", "2", "--threads", "1", "--episodes", "1"]
        command += ["--runs-dir", str(tmp_path / "runs"), "--name", "mine", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)

    @pytest.mark.process
    def test_traces_are_in_the_runs_directory_which_is_printed(self, tmp_path):
        """There is one readable file, and one event in the log."""
        result = self.run(tmp_path, "--profile")
        directory = tmp_path / "runs" / "mine" / "profile"
        (trace,) = directory.iterdir()

        assert result.returncode == 0, result.stderr
        assert regions(trace) == dict.fromkeys(REGIONS, 1)
        assert f"profile written to {directory}" in result.stdout
        lines = [
            r.event for r in read_records(tmp_path / "runs" / "mine") if isinstance(r.event, LogRecorded)
        ]
        assert [str(directory) in line.message for line in lines] == [True]

    @pytest.mark.process
    def test_an_impossible_directory_is_reported_in_one_sentence(self, tmp_path):
        """No run is created."""
        (tmp_path / "file").write_text("")
        result = self.run(tmp_path, "--profile", "file/traces")

        assert result.returncode == 1
        assert result.stderr.count("\n") == 1
        assert "--profile" in result.stderr
        assert not (tmp_path / "runs").exists()
