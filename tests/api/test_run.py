"""Tests of reading runs, with real files."""

import math
import subprocess
import sys
from contextlib import closing
from datetime import datetime

import numpy as np
import pytest

from esper_bus.emit.emitter import Emitter
from esper_bus.net.query_client import QueryClient
from esper_bus.protocol.query_messages import HealthQuery
from esper_lite import (
    CheckpointSaved,
    InvalidArgument,
    LogRecorded,
    PPOUpdateCompleted,
    PPOUpdatePayload,
    RunFinished,
    RunStarted,
    StorageError,
    Unreachable,
    connect,
    open_run,
)


@pytest.fixture
def telemetry(runs_dir):
    """A run that is being recorded, with three updates."""
    about = RunStarted(task="cart-pole", episodes=9, config={"lr": 3e-4, "env": "CartPole-v1"})
    with connect("mine", started=about, runs_dir=runs_dir, aggregator=False) as telemetry:
        for update in range(3):
            telemetry.emit(PPOUpdatePayload(policy_loss=0.5 * update))
        yield telemetry


@pytest.fixture
def run(telemetry, runs_dir):
    """The same run after its end."""
    telemetry.close()
    return open_run(runs_dir / "mine")


def test_a_run_has_its_name_and_settings(run, runs_dir):
    """The settings are those of its RunStarted."""
    assert (run.name, run.path) == ("mine", runs_dir / "mine")
    assert (run.started.task, run.started.episodes, run.started.rank) == ("cart-pole", 9, 0)
    assert run.config == {"lr": 3e-4, "env": "CartPole-v1"}
    assert repr(run) == f"<Run mine at {runs_dir / 'mine'}>"


def test_records_are_events_in_their_order(run):
    """They are decoded, with their numbers, and can be read several times."""
    records = list(run.records())

    assert [type(record.event) for record in records] == [
        RunStarted,
        *([PPOUpdateCompleted] * 3),
        RunFinished,
    ]
    assert [record.seq for record in records] == [0, 1, 2, 3, 4]
    assert [record.event.payload.policy_loss for record in records[1:4]] == [0.0, 0.5, 1.0]
    assert list(run.records()) == records


def test_a_run_is_read_while_it_is_recorded(telemetry, runs_dir, until):
    """A later call includes later events."""
    until(lambda: telemetry.stats.spooled == 4)
    run = open_run(str(runs_dir / "mine"))
    before = [type(record.event) for record in run.records()]
    telemetry.emit(PPOUpdatePayload())
    until(lambda: telemetry.stats.spooled == 5)

    assert before == [RunStarted, *([PPOUpdateCompleted] * 3)]
    assert run.snapshot().tamiyo.ppo_updates_count == 4


def test_a_snapshot_is_what_a_screen_shows(run):
    """It is the one at the end, or after the given number of events, if there are that many."""
    assert run.snapshot().tamiyo.policy_loss == 1.0
    assert run.snapshot().run.outcome == "completed"
    assert [run.snapshot(at=events).tamiyo.ppo_updates_count for events in (0, 1, 3, 99)] == [0, 0, 2, 3]


def test_a_negative_number_of_events_is_refused(run):
    """The error says which numbers are allowed."""
    with pytest.raises(InvalidArgument, match=r"^at=-1 is not a number of events; pass 0 or more"):
        run.snapshot(at=-1)


def test_findings_are_those_of_a_diagnosis(runs_dir):
    """A loss of NaN is a critical finding; a run without problems has none."""
    for name, loss in (("good", 0.5), ("bad", math.nan)):
        with connect(name, runs_dir=runs_dir, aggregator=False) as telemetry:
            telemetry.emit(PPOUpdatePayload(policy_loss=0.5))
            telemetry.emit(PPOUpdatePayload(policy_loss=loss))
    (finding,) = open_run(runs_dir / "bad").findings()

    assert open_run(runs_dir / "good").findings() == ()
    assert (finding.severity, finding.since_update) == ("critical", 2)


def test_a_file_is_a_run_too(run, runs_dir):
    """The file contains the name of the run."""
    (file,) = (runs_dir / "mine" / "spool").glob("*.mcap")

    assert open_run(file).name == "mine"
    assert list(open_run(file).records()) == list(run.records())


def test_a_run_without_a_start_has_no_settings(runs_dir):
    """An example is a spool whose oldest part was removed."""
    emitter = Emitter("mine", "trainer:0", runs_dir / "mine")
    emitter.emit(LogRecorded(level="info", message="hello"))
    emitter.close()
    run = open_run(runs_dir / "mine")

    assert run.started is None
    assert run.config == {}


@pytest.mark.parametrize("read", [lambda run: list(run.records()), lambda run: run.snapshot()])
def test_a_file_that_cannot_be_read_is_an_error(run, runs_dir, read):
    """It is not skipped, as its events would be missing unnoticed."""
    (runs_dir / "mine" / "spool" / "other.mcap").mkdir()

    with pytest.raises(StorageError, match=r"other.mcap is unreadable \(Is a directory\); make it readable"):
        read(run)


@pytest.mark.parametrize(("name", "error"), [("nothing", StorageError), ("empty", InvalidArgument)])
def test_a_path_without_a_run_is_refused(tmp_path, name, error):
    """The error names the path."""
    (tmp_path / "empty").mkdir()

    with pytest.raises(error, match=name):
        open_run(tmp_path / name)


def test_what_a_program_could_not_record_is_a_finding(telemetry, runs_dir):
    """A value that is not a number is left out of its update; without its number, an update is dropped."""
    telemetry.emit(PPOUpdatePayload(policy_loss="high", value_loss=0.1))
    telemetry.emit(PPOUpdateCompleted(update="last", payload=PPOUpdatePayload()))
    telemetry.emit(PPOUpdatePayload(policy_loss=0.1))
    telemetry.close()
    (finding,) = [found for found in open_run(runs_dir / "mine").findings() if found.rule == "data_lost"]

    assert finding.severity == "warning"
    assert "1 event was dropped" in finding.title
    assert "2 values were left out" in finding.title
    assert telemetry.updates == 5


def at_updates(run):
    """The last updates of the states of a run after each of its updates."""
    return [run.at(update=update).ranks[0].last_update for update in (1, 2, 3)]


def test_a_run_has_states_at_its_moments(run):
    """They are named by update, event, or time in seconds or as a datetime."""
    times = [record.emitted_ns / 1e9 for record in run.records()]

    assert at_updates(run) == [1, 2, 3]
    assert run.at(event=2) == run.snapshot(2)
    assert run.at(time=times[2] + 1e-6).events_folded >= 3
    assert run.at(time=datetime.fromtimestamp(times[-1] + 60)) == run.snapshot()


@pytest.mark.parametrize(
    ("moment", "problem"),
    [
        ({}, "Name one moment"),
        ({"update": 1, "event": 2}, "Name one moment"),
        ({"update": 4}, "The run has no update 4; its updates are 1 to 3"),
        ({"update": -1}, "update=-1 is not a number of a run"),
        ({"event": 6}, "The run has no event 6; it has 5"),
        ({"time": 0}, "The run began after that time"),
        ({"time": float("nan")}, "time=nan is not a time"),
    ],
)
def test_a_moment_that_a_run_does_not_have_is_an_error(run, moment, problem):
    """The error says which ones it has."""
    with pytest.raises(InvalidArgument, match=problem):
        run.at(**moment)


def test_a_run_has_marks(runs_dir):
    """They have a place in the run, which is a moment."""
    with connect("marked", runs_dir=runs_dir, aggregator=False) as telemetry:
        telemetry.emit(PPOUpdatePayload(policy_loss=1.0))
        telemetry.emit(CheckpointSaved(update=1, path="one.pt"))
        telemetry.emit(PPOUpdatePayload(policy_loss=float("nan")))
    run = open_run(runs_dir / "marked")
    marks = run.marks()

    assert [(mark.kind, mark.place.update) for mark in marks] == [("checkpoint", 1), ("finding", 2)]
    assert run.at(event=marks[0].place.events).checkpoints[-1].checkpoint.path == "one.pt"


@pytest.fixture
def url(runs_dir, endpoints):
    """The address of an aggregator of the runs directory, in a process of its own."""
    runs_dir.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "esper_aggregator", "--runs-dir", str(runs_dir)]
    with subprocess.Popen(command) as process, closing(QueryClient(endpoints)) as client:
        client.ask(HealthQuery(), timeout_s=30)
        yield endpoints.ingest.removesuffix("/ingest")
        process.terminate()


@pytest.mark.process
def test_a_run_of_an_aggregator_is_read_as_its_files_are(url, runs_dir, until):
    """Its events, states and marks are the same; the newest run is opened by default."""
    with connect("mine", runs_dir=runs_dir) as telemetry:
        for update in range(3):
            telemetry.emit(PPOUpdatePayload(policy_loss=0.5 * update))
    until(lambda: len(list(open_run(url, run="mine").records())) == 5)
    remote, local = open_run(url), open_run(runs_dir / "mine")

    assert (remote.name, remote.path, repr(remote)) == ("mine", None, f"<Run mine at {url}>")
    assert list(remote.records()) == list(local.records())
    assert at_updates(remote) == [1, 2, 3]
    assert (remote.marks(), remote.config) == (local.marks(), local.config)
    assert remote.findings() == local.findings()
    assert remote.series("policy_loss") == local.series("policy_loss")


@pytest.mark.process
def test_a_run_that_an_aggregator_does_not_have_is_refused(url):
    """So is an aggregator without runs."""
    with pytest.raises(Unreachable, match="There is no log of a run 'other'"):
        open_run(url, run="other").at(update=1)
    with pytest.raises(InvalidArgument, match="has no run yet"):
        open_run(url)


def test_a_series_has_every_value_of_a_metric(run):
    """NumPy takes its buffers without copying them."""
    series = run.series("policy_loss")

    assert (series.metric, series.axis) == ("policy_loss", "update")
    assert np.asarray(series.x).tolist() == [1, 2, 3]
    assert np.asarray(series.last).tolist() == np.asarray(series.mean).tolist() == [0, 0.5, 1]
    assert np.asarray(series.measured).tolist() == [1, 1, 1]
    assert np.shares_memory(np.asarray(series.mean), np.asarray(series.mean))


def test_a_part_of_a_series_can_be_asked_for_in_buckets(run):
    """Both ends are included."""
    series = run.series("policy_loss", first=2, last=3, points=1)

    assert (list(series.x), list(series.measured)) == ([2], [2])
    assert (list(series.minimum), list(series.mean), list(series.maximum)) == ([0.5], [0.75], [1])
    assert len(run.series("policy_loss", x="time").x) == 3


@pytest.mark.parametrize(
    ("metric", "options", "message"),
    [
        ("nothing", {}, "The run mine has no values of 'nothing'"),
        ("policy_loss", {"points": 0}, "points=0 is not possible; pass 1 to 10000"),
        ("policy_loss", {"x": "epoch"}, "x='epoch' is not an axis; pass one of 'update', 'env_step', 'time'"),
    ],
)
def test_a_series_that_cannot_be_asked_for_is_refused(run, metric, options, message):
    """The sentence says what can be."""
    with pytest.raises(InvalidArgument, match=message):
        run.series(metric, **options)


def test_a_path_needs_neither_run_nor_keys(run, runs_dir):
    """They are those of an aggregator."""
    with pytest.raises(InvalidArgument, match="leave them out"):
        open_run(runs_dir / "mine", run="mine")
