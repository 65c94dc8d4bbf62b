"""Progress is a line per update, or a bar on a terminal."""

import io
import os
import pty
import subprocess
import sys

import pytest

from esper_cli.output.training_progress import progress
from esper_trainer.run.progress_report import UpdateReport


@pytest.fixture
def report():
    """The third of five updates."""
    return UpdateReport(3, 5, 1.5, 0.5, 192, steps_per_second=64.0, policy_loss=-0.5, value_loss=0.25)


def test_without_a_terminal_every_update_is_a_line(capsys, report):
    """It is printed immediately."""
    with progress(5) as on_update:
        on_update(report)
        assert capsys.readouterr().out == (
            "update    3/5  return   1.500  policy loss  -0.500  value loss   0.250       64 steps/s\n"
        )


def test_on_a_terminal_an_update_moves_the_bar(monkeypatch, report):
    """The description has its numbers; nothing is printed line by line."""
    screen = io.StringIO()
    monkeypatch.setattr(screen, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("sys.stdout", screen)
    monkeypatch.setenv("COLUMNS", "120")
    with progress(5) as on_update:
        on_update(report)

    assert "3/5" in screen.getvalue()
    assert "policy loss  -0.500" in screen.getvalue()


PROGRAM = """
from esper_cli.output.training_progress import progress
from esper_trainer.run.progress_report import UpdateReport

with progress(5) as on_update:
    on_update(UpdateReport(3, 5, 1.5, 0.5, 192, 64.0, -0.5, 0.25))
"""


@pytest.mark.process
def test_on_a_terminal_a_bar_shows_the_last_update():
    """The bar has the number and the measurements of the update."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdout=theirs, stderr=theirs, env=os.environ | {"COLUMNS": "120"}
    )
    os.close(theirs)
    shown = b""
    try:
        while data := os.read(ours, 4096):
            shown += data
    except OSError:  # Linux raises this when the other end has been closed.
        pass
    os.close(ours)

    assert process.wait() == 0
    assert b"3/5" in shown
    assert b"policy loss  -0.500" in shown
