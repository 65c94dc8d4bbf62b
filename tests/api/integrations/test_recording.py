"""Recording for a library: names, ends of runs, and failures that do not reach the training."""

import logging
import subprocess
import sys

import pytest

from esper_lite import RunFinished, RunStarted
from esper_lite.integrations.recording import Recording, guarded, is_number

FACTS = RunStarted(task="cart-pole", environments=4)
PROGRAM = """
import sys
from esper_lite import RunStarted
from esper_lite.integrations.recording import Recording

class Trainer:
    def learn(self, recording):
        recording.start(RunStarted(task="cart-pole"), trainer=self)
        {body}

trainer, recording = Trainer(), Recording("run", {{"runs_dir": sys.argv[1], "aggregator": False}}, "library")
{train}
"""
TRAIN = "trainer.learn(recording)"


@pytest.fixture
def recording(runs_dir):
    """Makes a recording into the runs directory of the test; it is ended with the test."""
    made = []

    def make(run="run", **options):
        made.append(Recording(run, {"runs_dir": runs_dir, "aggregator": False, **options}, "library"))
        return made[-1]

    yield make
    for one in made:
        one.finish()


def finished(events):
    """The outcome and the reason of the end of a run."""
    (event,) = [event for event in events if isinstance(event, RunFinished)]
    return event.outcome, event.reason


@pytest.mark.process
@pytest.mark.parametrize(
    ("body", "train", "expected"),
    [
        ("raise ValueError('too large')", TRAIN, ("failed", "ValueError: too large")),
        ("raise KeyboardInterrupt", TRAIN, ("interrupted", "")),
        (
            "raise KeyboardInterrupt",
            f"try: {TRAIN}\nexcept KeyboardInterrupt: pass",
            ("interrupted", "The training did not reach its end."),
        ),
        ("pass", f"{TRAIN}\nrecording.finish()\nraise ValueError", ("completed", "")),
        (
            "pass",
            f"{TRAIN}\nraise ValueError('of something else')",
            ("interrupted", "The training did not reach its end."),
        ),
    ],
    ids=["exception", "interrupt", "caught", "finished", "elsewhere"],
)
def test_a_run_ends_with_the_program(body, train, expected, runs_dir, events):
    """An uncaught exception is the reason only if it went through the trainer."""
    program = PROGRAM.format(body=body, train=train)
    subprocess.run(
        [sys.executable, "-c", program, str(runs_dir)], capture_output=True, timeout=60, check=False
    )

    assert finished(events("run")) == expected


@pytest.mark.process
def test_a_library_that_does_not_report_the_end_completes_with_the_program(runs_dir, events):
    """A writer of logs need not be closed."""
    program = PROGRAM.format(body="pass", train=TRAIN).replace('"library")', '"library", reports_end=False)')
    program = program.replace(", trainer=self", "")
    subprocess.run([sys.executable, "-W", "error", "-c", program, str(runs_dir)], timeout=60, check=True)

    assert finished(events("run")) == ("completed", "")


def test_a_run_whose_name_is_taken_gets_a_number(recording, runs_dir, caplog):
    """The earlier run is not changed; a warning gives the name."""
    for _ in range(3):
        with caplog.at_level(logging.WARNING, "esper"):
            one = recording()
            one.start(FACTS)
            one.finish()

    assert sorted(path.name for path in runs_dir.iterdir()) == ["run", "run-2", "run-3"]
    assert [record.msg.fields["recorded_as"] for record in caplog.records] == ["run-2", "run-3"]


def test_one_of_several_ranks_does_not_choose_another_name(recording, runs_dir, caplog):
    """All ranks need the same run, so a taken name is reported."""
    for _ in range(2):
        one = recording(rank=0, world_size=2)
        one.start(FACTS)
        one.finish()

    assert [path.name for path in runs_dir.iterdir()] == ["run"]
    assert "There is a run" in str(caplog.records[-1].msg)


def test_a_run_can_be_continued(recording, events):
    """A later training of the same recording belongs to the same run."""
    one = recording()
    for resume in (False, True):
        one.start(FACTS, resume=resume)
        one.log({"x": 1.0}, step=1)
        assert one.is_open
        one.finish()
    kinds = [type(event).__name__ for event in events("run")]

    assert kinds == ["RunStarted", "ScalarsLogged", "RunFinished"] * 2
    assert one.has_ended


def test_a_run_that_cannot_be_opened_is_reported_once(recording, tmp_path, caplog):
    """Everything that follows does nothing."""
    (tmp_path / "file").write_text("")
    one = recording(runs_dir=tmp_path / "file")
    for _ in range(2):
        one.start(FACTS)
        one.log({"x": 1.0}, step=1)
        one.note("a line")
        one.finish()
    (record,) = caplog.records

    assert record.levelno == logging.WARNING
    assert str(record.msg).startswith("the training is not recorded (library='library', where='start', ")
    assert not one.is_open
    assert not one.has_ended


def test_unknown_options_are_reported(recording, caplog):
    """A misspelt keyword of `connect` does not end the training either."""
    recording(run_dir="x").start(FACTS)

    assert "unexpected keyword argument 'run_dir'" in caplog.records[0].msg.fields["reason"]


def test_an_exception_of_a_guarded_method_is_reported_once(recording, caplog):
    """The caller gets None; KeyboardInterrupt is not an exception of the recorder."""

    class Hooks:
        """An integration."""

        def __init__(self):
            self._recording = recording()

        @guarded
        def hook(self, error):
            """Raise."""
            raise error

    hooks = Hooks()
    assert hooks.hook(AttributeError("gone")) is None
    assert hooks.hook(AttributeError("gone")) is None
    with pytest.raises(KeyboardInterrupt):
        hooks.hook(KeyboardInterrupt())
    (record,) = caplog.records
    assert "where='hook'" in str(record.msg)
    assert "gone" in str(record.msg)


@pytest.mark.parametrize(
    ("value", "expected"), [(1, True), (True, True), (0.5, True), ("1", False), (None, False)]
)
def test_texts_are_not_numbers(value, expected):
    """Only numbers are logged."""
    assert is_number(value) is expected
