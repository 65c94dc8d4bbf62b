"""`esper ppo` in tmux, detached and attached again from another window, as is usual over ssh."""

import re
import shlex
import shutil
import subprocess

import pytest
from tests.tui.pseudo_terminal import Terminal

pytestmark = [pytest.mark.process, pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux")]
OPTIONS = ("--envs", "4", "--episodes", "200", "--name", "tmux")


class Tmux:
    """A tmux server with one pane, for this test alone."""

    def __init__(self, playground):
        self._command = ["tmux", "-f", "/dev/null", "-S", str(playground.runs_dir.parent / "tmux")]
        self._environment = {**playground.environment, "TERM": "xterm-256color"}
        del self._environment["COLUMNS"]  # Textual would use it as the width of every window.

    def command(self, *words):
        """Run a command of the server."""
        command = [*self._command, *map(str, words)]
        return subprocess.run(command, env=self._environment, capture_output=True, text=True, check=False)

    def attach(self, *size):
        """Attach a new terminal to the pane."""
        return Terminal(*self._command, "attach", size=size, TERM="xterm-256color")

    def screen(self):
        """The text of the pane."""
        return self.command("capture-pane", "-p").stdout

    def size(self):
        """The columns and rows of the pane."""
        return self.command("display-message", "-p", "#{pane_width} #{pane_height}").stdout.split()


@pytest.fixture
def tmux(playground):
    """A tmux server that is ended after the test, with everything that runs in it."""
    server = Tmux(playground)
    yield server
    server.command("kill-server")


def updates(screen):
    """The number of updates in the header."""
    return max(map(int, re.findall(r"update (\d+)", screen)), default=0)


def test_a_training_continues_without_viewers(tmux, playground, commands, wait_for):
    """The screen fits each attached window and shows the current update; a key still ends the screen."""
    training = shlex.join([*commands["esper"], "ppo", *OPTIONS])
    tmux.command(
        "set-option", "-g", "status", "off", ";", "new-session", "-d", "-x", "120", "-y", "40", training
    )
    wait_for(lambda: "LIVE" in tmux.screen() and updates(tmux.screen()), what="the first update")

    small = tmux.attach(80, 24)
    small.read_until(lambda seen: b"LIVE" in seen)
    wait_for(lambda: tmux.size() == ["80", "24"], what="the window of 80 by 24")
    wait_for(lambda: tmux.screen().splitlines()[-1].startswith(" q quit"), what="a picture that fits it")
    tmux.command("detach-client")
    small.read_until(lambda seen: b"[detached" in seen)
    small.process.wait()
    small.hang_up()
    left = updates(tmux.screen())
    wait_for(lambda: updates(tmux.screen()) > left, what="progress with nobody there")

    large = tmux.attach(160, 50)
    large.read_until(lambda seen: b"LIVE" in seen)
    wait_for(lambda: {len(line) for line in tmux.screen().splitlines()} & {160}, what="a picture as wide")
    back = updates(tmux.screen())
    large.press(b"q")
    wait_for(lambda: "Training goes on" in tmux.screen(), what="the end of the picture")
    large.press(b"\x03")
    large.read_until(lambda seen: b"[exited]" in seen)
    large.process.wait()
    large.hang_up()

    assert back > left
