"""`sanctum RUN` follows a run that another process is still writing."""

import re
import shlex
import shutil
import subprocess
import sys

import pytest
from tests.end_to_end.test_tmux import Tmux

from esper_aggregator.log_source import LogSource
from esper_aggregator.replay import snapshot_of

pytestmark = pytest.mark.process

TRAINER = """
import sys
from esper_lite import connect

with connect("written") as telemetry:
    for update, line in enumerate(sys.stdin):
        telemetry.log({"policy_loss": update / 10, "approx_kl": 0.01}, step=update)
"""


@pytest.fixture
def trainer(playground):
    """A training without an aggregator, which makes an update for each line that it is sent."""
    shutil.rmtree(playground.runs_dir / "written", ignore_errors=True)
    process = subprocess.Popen(
        [sys.executable, "-c", TRAINER],
        env=playground.environment,
        stdin=subprocess.PIPE,
        text=True,
        bufsize=1,
    )
    yield process
    process.kill()
    process.communicate()


def recorded(run_dir):
    """Whether the run has a first event."""
    return any((run_dir / "spool").glob("*.mcap"))


def test_a_source_follows_a_trainer(playground, trainer, wait_for):
    """It ends with the snapshot that a fold of the whole run makes, outcome included."""
    run_dir = playground.runs_dir / "written"
    trainer.stdin.write("\n" * 3)
    wait_for(lambda: recorded(run_dir), what="a spool")
    source = LogSource(run_dir)
    wait_for(lambda: source.poll().snapshot.tamiyo.ppo_updates_count == 3, what="the third update")
    trainer.stdin.write("\n" * 2)
    wait_for(lambda: source.poll().snapshot.tamiyo.ppo_updates_count == 5, what="the fifth update")
    trainer.stdin.close()
    wait_for(lambda: source.poll().snapshot.run.outcome == "completed", what="the end")

    assert source.poll().snapshot == snapshot_of(run_dir)


@pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux")
def test_the_screen_follows_standard_input(playground, trainer, commands, wait_for):
    """Keys come from the terminal, and the copy is removed at the end."""
    run_dir = playground.runs_dir / "written"
    temporary = playground.runs_dir.parent / "temporary"
    temporary.mkdir()
    trainer.stdin.write("\n" * 3)
    wait_for(lambda: recorded(run_dir), what="a spool")
    (file,) = (run_dir / "spool").glob("*.mcap")
    tmux = Tmux(playground)
    screen = f"TMPDIR={temporary} {shlex.join(commands['sanctum'])} -"
    try:
        tmux.command("new-session", "-d", "-x", "120", "-y", "40", f"tail -c +1 -f {file} | {screen}")
        wait_for(lambda: re.search(r"update 3\b", tmux.screen()), what="the third update")
        trainer.stdin.write("\n")
        wait_for(lambda: re.search(r"update 4\b", tmux.screen()), what="the fourth update")
        assert list(temporary.iterdir())
        tmux.command("send-keys", "m")
        wait_for(lambda: "Notes are written about" in tmux.screen(), what="the refusal of a note")
        tmux.command("send-keys", "q")
        wait_for(lambda: not list(temporary.iterdir()), what="the end of the screen")
    finally:
        tmux.command("kill-server")


@pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux")
def test_the_screen_follows_a_trainer(playground, trainer, commands, wait_for):
    """Each update appears on a screen that shows the directory of the run."""
    run_dir = playground.runs_dir / "written"
    trainer.stdin.write("\n" * 3)
    wait_for(lambda: recorded(run_dir), what="a spool")
    tmux = Tmux(playground)
    screen = shlex.join([*commands["sanctum"], str(run_dir)])
    try:
        tmux.command("new-session", "-d", "-x", "120", "-y", "40", screen)
        wait_for(lambda: re.search(r"update 3\b", tmux.screen()), what="the third update")
        trainer.stdin.write("\n")
        wait_for(lambda: re.search(r"update 4\b", tmux.screen()), what="the fourth update")
    finally:
        tmux.command("kill-server")
