"""What real writers of TensorBoard add is recorded, and their files stay as they are."""

import logging
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("tensorboard")
pytest.importorskip("torch")

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.summary.writer import event_file_writer
from torch.utils.tensorboard import SummaryWriter

from esper_lite import LogRecorded, RunFinished, ScalarsLogged, open_run
from esper_lite.integrations.mirror_tensorboard import mirror_tensorboard

pytestmark = pytest.mark.slow

SETTINGS = "|param|value|\n|-|-|\n|env_id|CartPole-v1|\n|clip_coef|0.2|"


@pytest.fixture
def mirror(runs_dir):
    """Makes a mirror into the runs directory of the test, which is undone with the test."""
    made = []

    def make(run=None, **options):
        made.append(mirror_tensorboard(run, **{"runs_dir": runs_dir, "aggregator": False, **options}))
        return made[-1]

    yield make
    for one in made:
        one.undo()


def train(writer):
    """Add what a training adds."""
    writer.add_text("hyperparameters", SETTINGS)
    for step in (128, 256):
        writer.add_scalar("losses/policy_loss", -0.1 / step, step)
        writer.add_scalar("losses/approx_kl", 1 / step, step, new_style=True)
        writer.add_scalar("precise", 1 / 3, step, new_style=True, double_precision=True)
        writer.add_scalars("returns", {"train": step, "test": 2 * step}, step)
    writer.add_histogram("weights", np.array([1.0, 2.0]), 256)
    writer.add_hparams({"gamma": 0.99}, {"score": 7.0})


def values_by_step(events):
    """All recorded values of the scalars by step and name."""
    recorded = {}
    for event in events:
        if isinstance(event, ScalarsLogged):
            recorded.setdefault(event.step, {}).update(event.values)
    return recorded


def test_every_scalar_in_the_files_is_recorded(mirror, tmp_path, events):
    """The numbers equal those that TensorBoard reads, also those of several values in one chart."""
    mirror()
    with SummaryWriter(tmp_path / "tb" / "experiment") as writer:
        train(writer)
    recorded = values_by_step(events("experiment"))
    files = EventAccumulator(str(tmp_path / "tb" / "experiment"), {"tensors": 0})
    files.Reload()
    read = {(event.step, tag): event.value for tag in files.Tags()["scalars"] for event in files.Scalars(tag)}

    assert len(read) == 2
    assert (
        read.items()
        <= {(s, n): value for s, values in recorded.items() for n, value in values.items()}.items()
    )
    assert recorded[256]["losses/approx_kl"] == pytest.approx(1 / 256)
    assert recorded[256]["precise"] == 1 / 3
    assert (recorded[256]["returns/train"], recorded[256]["returns/test"]) == (256, 512)
    assert recorded[None] == {"score": 7.0}


def test_texts_and_settings_describe_the_run(mirror, tmp_path, events):
    """A table before the first scalar has the settings; images and histograms are named once."""
    mirror()
    with SummaryWriter(tmp_path / "tb" / "experiment") as writer:
        train(writer)
        writer.add_text("note", "it learns", 256)
    started, *others, finished = events("experiment")
    notes = [(event.message, event.fields) for event in others if isinstance(event, LogRecorded)]

    assert (started.task, started.clip_range) == ("CartPole-v1", 0.2)
    assert notes[0][0].startswith("histograms is not recorded")
    assert ("settings", {"gamma": 0.99}) in notes
    assert ("it learns", {"tag": "note"}) in notes
    assert isinstance(finished, RunFinished)


def test_the_event_files_are_the_same(mirror, tmp_path, monkeypatch):
    """Byte by byte, with the mirror and without it."""
    clock = SimpleNamespace(time=lambda: 1_700_000_000.25)
    monkeypatch.setattr("torch.utils.tensorboard.writer.time", clock)
    monkeypatch.setattr(event_file_writer, "time", clock)
    contents = []
    for name in ("without", "with"):
        if name == "with":
            mirror()
        with SummaryWriter(tmp_path / name) as writer:
            train(writer)
        files = sorted((tmp_path / name).rglob("events.*"))
        contents.append([(file.relative_to(tmp_path / name).parent, file.read_bytes()) for file in files])

    assert len(contents[0]) == 4
    assert contents[0] == contents[1]


def test_undoing_gives_the_writers_their_own_methods(mirror, tmp_path, events):
    """What is added afterwards is not recorded, and the run has ended."""
    original = event_file_writer.EventFileWriter.add_event
    one = mirror("run")
    writer = SummaryWriter(tmp_path / "experiment")
    writer.add_scalar("x", 1.0, 1)
    assert event_file_writer.EventFileWriter.add_event is not original
    one.undo()
    writer.add_scalar("x", 2.0, 2)
    writer.close()

    assert event_file_writer.EventFileWriter.add_event is original
    assert values_by_step(events("run")) == {1: {"x": 1.0}}
    assert events("run")[-1].outcome == "completed"


def test_a_mirror_under_another_one_stops_when_it_is_undone(mirror, tmp_path, runs_dir, events):
    """Its wrapper stays below that of the other one, and does nothing."""
    first, second = mirror("first"), mirror("second")
    first.undo()
    with SummaryWriter(tmp_path / "experiment") as writer:
        writer.add_scalar("x", 1.0, 1)
    second.undo()

    assert values_by_step(events("second")) == {1: {"x": 1.0}}
    assert [path.name for path in runs_dir.iterdir()] == ["second"]


def test_each_directory_is_a_run(mirror, tmp_path, runs_dir, events):
    """A sweep in one process has a run for each writer; a directory below another one belongs to it."""
    mirror("sweep")
    for number in (1, 2):
        with (
            SummaryWriter(tmp_path / str(number)) as writer,
            SummaryWriter(tmp_path / str(number) / "eval") as inner,
        ):
            writer.add_scalar("x", float(number), 1)
            inner.add_scalar("y", float(number), 1)

    assert sorted(path.name for path in runs_dir.iterdir()) == ["sweep", "sweep-2"]
    assert values_by_step(events("sweep")) == {1: {"x": 1.0, "eval/y": 1.0}}
    assert values_by_step(events("sweep-2")) == {1: {"x": 2.0, "eval/y": 2.0}}


def test_telemetry_of_the_program_records_one_directory(connect, events, tmp_path, caplog):
    """Another one would mix its steps with those of the first; it is named in a warning."""
    with connect() as telemetry, mirror_tensorboard(telemetry), caplog.at_level(logging.WARNING, "esper"):
        for name in ("one", "two"):
            with SummaryWriter(tmp_path / name) as writer:
                writer.add_scalar(name, 1.0, 1)
        telemetry.log({"after": 1.0})

    assert [list(event.values) for event in events() if isinstance(event, ScalarsLogged)] == [
        ["one"],
        ["after"],
    ]
    assert "two needs telemetry of its own" in caplog.records[0].msg.fields["reason"]


def test_a_failing_recorder_costs_the_record_only(mirror, tmp_path, caplog):
    """The files are written, and there is one warning."""
    (tmp_path / "file").write_text("")
    mirror("run", runs_dir=tmp_path / "file" / "runs")
    with caplog.at_level(logging.WARNING, "esper"), SummaryWriter(tmp_path / "tb") as writer:
        train(writer)
    files = EventAccumulator(str(tmp_path / "tb"))
    files.Reload()

    assert len(files.Scalars("losses/policy_loss")) == 2
    assert len(caplog.records) == 1


def test_writers_of_tensorboardx_are_recorded(mirror, tmp_path, events):
    """They are of another class, with messages of their own."""
    tensorboardx = pytest.importorskip("tensorboardX")
    mirror()
    with tensorboardx.SummaryWriter(str(tmp_path / "experiment")) as writer:
        writer.add_scalar("losses/approx_kl", 0.25, 128)

    assert values_by_step(events("experiment")) == {128: {"losses/approx_kl": 0.25}}


def test_the_numbers_reach_the_screen(mirror, tmp_path, runs_dir):
    """Names of CleanRL are translated; others are scalars."""
    mirror("run")
    with SummaryWriter(tmp_path / "experiment") as writer:
        train(writer)
    snapshot = open_run(runs_dir / "run").snapshot()

    assert snapshot.tamiyo.policy_loss == pytest.approx(-0.1 / 256)
    assert snapshot.tamiyo.kl_divergence == pytest.approx(1 / 256)
    assert snapshot.run.env_steps_total == 256
    assert snapshot.scalars["returns/test"].value == 512
    assert snapshot.ranks[0].last_update == 2
