"""The events of a run are complete, ordered and reproducible, and the last one says how it ended."""

import os
import signal
import socket
import subprocess
import sys
from functools import partial
from importlib.metadata import version

import msgspec
import pytest
from tests.trainer.sink import Sink

from esper_bus.store.run_reader import read_records
from esper_lite import connect
from esper_schemas.errors import InvalidArgument
from esper_schemas.events import (
    PPOUpdateCompleted,
    RolloutCompleted,
    RunFinished,
    RunStarted,
    VitalsSampled,
)
from esper_trainer.config import TrainingConfig
from esper_trainer.environments.morph.presets import HORIZON
from esper_trainer.runner import Trainer, error_summary, train

ENVIRONMENTS = 3
ORDER = [
    "RolloutCompleted",
    "EpisodeCompleted",
    "DecisionMade",
    "SeedStageChanged",
    "PPOUpdateCompleted",
    "VitalsSampled",
]
"""The order of the kinds of events within one update."""


@pytest.fixture
def sink():
    """An empty sink."""
    return Sink()


def config_of(**settings):
    """A small run on one thread."""
    settings = {"episodes": 2, "environments": ENVIRONMENTS, "threads": 1} | settings
    return TrainingConfig(hidden_size=16, **settings)


def without_time(event):
    """An event without what differs between two equal runs: times, speed, memory."""
    if isinstance(event, RolloutCompleted):
        return msgspec.structs.replace(event, steps_per_second=0.0, duration_ms=0.0)
    if isinstance(event, PPOUpdateCompleted):
        payload = msgspec.structs.replace(event.payload, update_time_ms=None, rollout_time_ms=None)
        return msgspec.structs.replace(event, payload=payload)
    return VitalsSampled() if isinstance(event, VitalsSampled) else event


@pytest.mark.slow
def test_a_run_is_recorded_from_beginning_to_end(sink):
    """The events are RunStarted, those of each update in order, and RunFinished."""
    train(config_of(), sink.connect)
    kinds = sink.kinds()
    vitals = [index for index, kind in enumerate(kinds) if kind == "VitalsSampled"]
    updates = kinds[1 : vitals[0] + 1], kinds[vitals[0] + 1 : -1]

    assert kinds[0] == "RunStarted"
    assert kinds[-1] == "RunFinished"
    for update in updates:
        assert list(dict.fromkeys(update)) == ORDER
        assert [update.count(kind) for kind in ORDER] == [1, 3, 8, update.count(ORDER[3]), 1, 1]
    assert sink.events[-1] == RunFinished(outcome="completed", updates=2)


@pytest.mark.slow
def test_the_summary_matches_the_events(sink):
    """Both have the same returns, steps and baseline."""
    summary = train(config_of(), sink.connect)
    rollouts = [event for event in sink.events if isinstance(event, RolloutCompleted)]

    assert (summary.updates, summary.outcome) == (2, "completed")
    assert summary.env_steps == rollouts[-1].env_steps_total == 2 * ENVIRONMENTS * HORIZON
    assert summary.first_mean_return == rollouts[0].mean_return
    assert summary.last_mean_return == rollouts[1].mean_return
    assert summary.mean_accuracy == rollouts[1].mean_accuracy
    assert summary.baseline_return == sink.events[0].baseline_return
    assert 0 < summary.steps_per_second < summary.env_steps / summary.seconds * 1.01


@pytest.mark.slow
def test_returns_of_episodes_are_sums_of_rewards(sink):
    """The mean over environments is the mean return of the rollout."""
    train(config_of(episodes=1), sink.connect)
    _, rollout, *episodes = sink.events[: 2 + ENVIRONMENTS]

    mean = sum(event.episode_return for event in episodes) / ENVIRONMENTS
    assert mean == pytest.approx(rollout.mean_return, rel=1e-5)
    assert sum(rollout.stage_counts) == 3 * ENVIRONMENTS


@pytest.mark.slow
def test_reports_come_after_their_events(sink):
    """When `on_update` is called, the events of the update have been emitted."""
    seen = []

    def on_update(report):
        seen.append((report.update, sink.kinds().count("PPOUpdateCompleted"), report.episodes))

    train(config_of(), sink.connect, on_update)

    assert seen == [(1, 1, 2), (2, 2, 2)]


@pytest.mark.slow
def test_the_same_seed_gives_the_same_events(sink):
    """They are byte-identical apart from time and memory; another seed gives other events."""
    again, other = Sink(), Sink()
    train(config_of(minibatches=3), sink.connect)
    train(config_of(minibatches=3), again.connect)
    train(config_of(minibatches=3, seed=1), other.connect)

    encode = msgspec.msgpack.encode
    one, same = ([encode(without_time(event)) for event in recording.events] for recording in (sink, again))
    assert one == same
    assert sink.events[1].mean_return != other.events[1].mean_return


@pytest.mark.slow
def test_a_run_is_recorded_on_disk_as_it_is_in_memory(sink, tmp_path):
    """The spool has the emitted events in order; `connect` adds host, process ID and version."""
    trainer = Trainer(config_of(), partial(connect, "mine", runs_dir=tmp_path, aggregator=False))
    trainer.run()
    train(config_of(), sink.connect)
    records = list(read_records(tmp_path / "mine"))
    started, *events = [record.event for record in records]
    process = {"host": socket.gethostname(), "pid": os.getpid(), "version": version("esper-lite")}

    assert {record.producer for record in records} == {"trainer:0"}
    assert trainer.recorded.dropped == 0
    assert started == msgspec.structs.replace(sink.events[0], **process)
    assert [without_time(event) for event in events] == [without_time(event) for event in sink.events[1:]]


class TestEndingEarly:
    """Signals, calls and failures."""

    @pytest.mark.slow
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_a_signal_ends_the_run_cleanly(self, sink, number):
        """All events of the completed update are emitted, and the last event has the reason."""

        def on_update(report):
            os.kill(os.getpid(), number)

        summary = train(config_of(episodes=50), sink.connect, on_update)

        assert summary.outcome == "interrupted"
        assert summary.updates == 1
        assert sink.kinds()[-2] == "VitalsSampled"
        assert sink.events[-1] == RunFinished(
            outcome="interrupted", updates=1, reason=f"The run was interrupted by {number.name}."
        )

    def test_stop_ends_the_run_before_its_first_update(self, sink):
        """This holds if it is called before the run begins."""
        trainer = Trainer(config_of(), sink.connect)
        trainer.stop()
        summary = trainer.run()

        assert sink.kinds() == ["RunStarted", "RunFinished"]
        assert (summary.updates, summary.last_mean_return) == (0, None)
        assert summary.outcome == "interrupted"

    @pytest.mark.slow
    def test_a_failure_is_recorded_and_raised(self, sink):
        """The last event has its first line."""

        def on_update(report):
            raise OSError("the disk is full\nand more about it")

        with pytest.raises(OSError, match="the disk is full"):
            train(config_of(), sink.connect, on_update)

        assert sink.events[-1] == RunFinished(outcome="failed", updates=1, reason="OSError: the disk is full")

    def test_an_exception_without_a_message_is_named(self):
        """The summary is its type."""
        assert error_summary(MemoryError()) == "MemoryError"


def test_nothing_is_recorded_of_a_run_that_cannot_start(sink):
    """An invalid device is refused before the first event."""
    with pytest.raises(InvalidArgument, match="device must be cpu, cuda or cuda:INDEX"):
        Trainer(config_of(device="cpu:one"), sink.connect)

    assert sink.events == []


class TestModule:
    """`python -m esper_trainer`."""

    def run(self, *arguments):
        """Run it in a separate process."""
        command = [sys.executable, "-m", "esper_trainer", "--envs", "2", "--threads", "1", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    @pytest.mark.process
    def test_it_trains_and_records(self, tmp_path):
        """It prints a line per update and a summary, and the run directory can be read."""
        result = self.run("--episodes", "2", "--runs-dir", str(tmp_path), "--name", "mine")
        events = [record.event for record in read_records(tmp_path / "mine")]

        assert result.returncode == 0, result.stderr
        assert "2/2  return" in result.stdout
        assert "always WAIT" in result.stdout
        assert isinstance(events[0], RunStarted)
        assert isinstance(events[-1], RunFinished)
