"""The look-alike of TensorBoard's writer records what a program adds."""

import inspect
import logging

import pytest

from esper_lite import LogRecorded, RunFinished, RunStarted, ScalarsLogged, open_run
from esper_lite.integrations.summary_writer import SummaryWriter

SETTINGS = "|param|value|\n|-|-|\n|env_id|CartPole-v1|\n|num_envs|4|\n|learning_rate|2.5e-4|\n|track|False|"


@pytest.fixture
def writer(tmp_path, monkeypatch):
    """Makes writers into the test's directory."""
    monkeypatch.delenv("ESPER_RUNS_DIR", raising=False)
    made = []

    def make(name="run", **options):
        made.append(SummaryWriter(tmp_path / "runs" / name, **{"aggregator": False, **options}))
        return made[-1]

    yield make
    for one in made:
        one.close()


def logged(events):
    """The values of a run with their steps, in order."""
    return [(event.step, event.values) for event in events if isinstance(event, ScalarsLogged)]


def test_scalars_are_recorded_under_their_tags(writer, events):
    """Each call is an event at once, with its step and time."""
    with writer() as one:
        one.add_scalar("losses/value_loss", 0.5, 128)
        one.add_scalars("returns", {"train": 1.0, "test": 2}, 128)
        one.add_scalar("charts/SPS", 900, global_step=256, walltime=12.5)
        one.add_scalar("unnumbered", True)
    *_, last, finished = open_run(one.log_dir).records()

    assert logged(events("run")) == [
        (128, {"losses/value_loss": 0.5}),
        (128, {"returns/train": 1.0, "returns/test": 2.0}),
        (256, {"charts/SPS": 900.0}),
        (None, {"unnumbered": 1.0}),
    ]
    assert [r.emitted_ns for r in open_run(one.log_dir).records()][3] == 12_500_000_000
    assert last.emitted_ns <= finished.emitted_ns


def test_a_table_of_settings_describes_the_run(writer, events):
    """CleanRL adds its settings as a text before the first scalar."""
    with writer() as one:
        one.add_text("hyperparameters", SETTINGS)
        one.add_text("note", "a first try")
        one.add_scalar("losses/value_loss", 0.5, 128)
        one.add_text("note", "it learns", 128)
    started, *others, finished = events("run")

    assert (started.task, started.environments) == ("CartPole-v1", 4)
    assert started.config == {"env_id": "CartPole-v1", "num_envs": 4, "learning_rate": 2.5e-4, "track": False}
    assert [e.message for e in others if isinstance(e, LogRecorded)] == ["a first try", "it learns"]
    assert finished == RunFinished(outcome="completed", updates=0)


def test_hyper_parameters_are_settings(writer, events):
    """Before the first scalar they describe the run, later they are a line of its log."""
    with writer() as one:
        one.add_hparams({"seed": 3}, {"score": 5.0})
        one.add_hparams({"seed": 4}, {})
    started, values, note, _ = events("run")

    assert (started.seed, started.config) == (3, {"seed": 3})
    assert values.values == {"score": 5.0}
    assert (note.message, note.fields) == ("settings", {"seed": 4})


def test_what_cannot_be_recorded_is_counted(writer, events):
    """Images and histograms are accepted; the log of the run names them once."""
    with writer() as one:
        one.add_scalar("x", 1.0, 1)
        for _ in range(3):
            one.add_histogram("weights", [1, 2, 3], 1)
        one.add_image("frame", None, 1)
        one.flush()
        with pytest.raises(AttributeError):
            one.no_method()
    notes = [event.message for event in events("run") if isinstance(event, LogRecorded)]

    assert one.ignored == {"add_histogram": 3, "add_image": 1}
    assert [note.split()[0] for note in notes] == ["add_histogram", "add_image"]


def test_a_writer_without_scalars_opens_no_run(writer, tmp_path):
    """A program that ends before its training leaves nothing."""
    with writer() as one:
        one.add_text("note", "nothing follows")

    assert not (tmp_path / "runs").exists()


def test_a_closed_writer_continues_its_run(writer, events):
    """As TensorBoard's writer does, it accepts scalars again."""
    one = writer()
    for step in (1, 2):
        one.add_scalar("x", 1.0, step)
        one.close()
    kinds = [type(event) for event in events("run")]

    assert kinds == [RunStarted, ScalarsLogged, RunFinished] * 2


def test_an_exception_is_the_end_of_the_run(writer, events):
    """A `with` block and a `finally` know it; the training of another writer is not concerned."""
    for number, name in enumerate(("first", "second")):
        with pytest.raises(ValueError, match="too large"):
            fail(writer(name), closes_itself=number == 1)
    ends = [events(name)[-1] for name in ("first", "second")]

    assert [(end.outcome, end.reason) for end in ends] == [("failed", "ValueError: too large")] * 2


def fail(writer, *, closes_itself):
    """Raise while a writer is open."""
    if not closes_itself:
        with writer:
            writer.add_scalar("x", 1.0, 1)
            raise ValueError("too large")
    try:
        writer.add_scalar("x", 1.0, 1)
        raise ValueError("too large")
    finally:
        writer.close()


@pytest.mark.parametrize("step", ["five", object(), float("nan")])
def test_a_step_that_is_not_a_number_is_left_out(writer, events, step):
    """The value is recorded."""
    with writer() as one:
        one.add_scalar("x", 1.0, step)

    assert logged(events("run")) == [(None, {"x": 1.0})]


def test_the_runs_directory_of_the_program_has_priority(writer, tmp_path, monkeypatch):
    """With it, only the name of the log directory counts."""
    with writer(runs_dir=tmp_path / "chosen") as one:
        one.add_scalar("x", 1.0, 1)
    monkeypatch.setenv("ESPER_RUNS_DIR", str(tmp_path / "variable"))
    with writer() as one:
        one.add_scalar("x", 1.0, 1)

    assert (tmp_path / "chosen" / "run").is_dir()
    assert (tmp_path / "variable" / "run").is_dir()
    assert not (tmp_path / "runs").exists()


def test_an_unwritable_directory_costs_the_record_only(tmp_path, caplog, monkeypatch):
    """There is one warning, and no call raises."""
    monkeypatch.delenv("ESPER_RUNS_DIR", raising=False)
    (tmp_path / "file").write_text("")
    with caplog.at_level(logging.WARNING, "esper"), SummaryWriter(tmp_path / "file" / "run") as writer:
        for step in range(3):
            writer.add_scalar("x", 1.0, step)
            writer.add_text("note", "x")

    assert len(caplog.records) == 1


def test_it_accepts_what_the_real_writer_accepts(tmp_path):
    """Every public method exists, and the arguments of the recorded ones have the same names."""
    real = pytest.importorskip("torch.utils.tensorboard").SummaryWriter
    look_alike = SummaryWriter(tmp_path / "x", purge_step=1, max_queue=5, flush_secs=60, filename_suffix="x")
    for name, method in vars(real).items():
        if not name.startswith("_"):
            assert callable(getattr(look_alike, name)), name
            own = inspect.signature(vars(SummaryWriter).get(name, lambda *_, **__: None)).parameters
            names = [
                parameter.name
                for parameter in own.values()
                if parameter.kind is parameter.POSITIONAL_OR_KEYWORD
            ]
            assert names == list(inspect.signature(method).parameters)[: len(names)]
