"""A training beside Sanctum: what is shown while it starts, and what is printed once the screen is closed."""

import subprocess
import sys

import pytest

from esper_cli.output.command_failure import CommandError
from esper_cli.screen.training_screen import show_sanctum, train_beside_sanctum
from esper_trainer.request import TrainingRequest
from esper_tui.view.connection_status import judge_feed


@pytest.fixture
def run_dir(tmp_path, monkeypatch):
    """The directory of a run whose aggregator has no sockets yet."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    directory = tmp_path / "runs" / "mine"
    directory.mkdir(parents=True)
    return directory


@pytest.fixture
def train(run_dir, app_options):
    """Trains with a given program beside a screen that is closed at once."""
    return lambda program: train_beside_sanctum(
        TrainingRequest(runs_dir=run_dir.parent), [sys.executable, "-c", program], run_dir
    )


@pytest.mark.process
def test_the_screen_says_that_the_training_is_starting(run_dir, app_options):
    """It also names the file with the output of the training."""
    with subprocess.Popen([sys.executable, "-c", ""]) as trainer:
        show_sanctum(TrainingRequest(runs_dir=run_dir.parent), trainer, run_dir)
    sentence = judge_feed(app_options["feed"], 0).sentence

    assert sentence == f"The training is starting; what it prints is in {run_dir / 'trainer.log'}."


@pytest.mark.process
def test_a_training_that_continues_is_followed(train, run_dir, capsys):
    """Its output is printed once the screen is closed; its exit code is that of the command."""
    code = train("import time; time.sleep(1); print('update 1'); raise SystemExit(3)")
    out = capsys.readouterr().out

    assert code == 3
    assert out.startswith("Training goes on (Ctrl-C stops it)")
    assert out.endswith("update 1\n")
    assert (run_dir / "trainer.log").read_text() == "update 1\n"


@pytest.mark.process
def test_the_last_lines_of_an_ended_training_are_printed(run_dir, app_options, capsys, monkeypatch):
    """They are its summary or its error."""
    monkeypatch.setattr(
        "esper_cli.screen.training_screen.show_sanctum", lambda request, trainer, run_dir: trainer.wait()
    )
    command = [sys.executable, "-c", "print(*range(9), sep='\\n')"]

    assert train_beside_sanctum(TrainingRequest(runs_dir=run_dir.parent), command, run_dir) == 0
    assert capsys.readouterr().out == "5\n6\n7\n8\n"


@pytest.mark.process
def test_a_training_that_was_killed_is_a_failure(train):
    """The error names the signal and what to do."""
    with pytest.raises(CommandError, match=r"signal 9 \(Killed\); start a new run"):
        train("import os; os.kill(os.getpid(), 9)")
