"""`esper ppo` in tmux, left alone and come back to from another window, as people do over ssh."""

import re
import shlex
import shutil
import subprocess

import pytest
from tests.tui.pseudo_terminal import Terminal

pytestmark = [pytest.mark.process, pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux")]
OPTIONS = ("--envs", "4", "--episodes", "200", "--name", "tmux")


class Tmux:
    """A tmux server of this test alone, with one pane."""

    def __init__(self, playground):
        self._command = ["tmux", "-f", "/dev/null", "-S", str(playground.runs_dir.parent / "tmux")]
        self._environment = {**playground.environment, "TERM": "xterm-256color"}
        del self._environment["COLUMNS"]  # Textual would take it for the width of every window

    def say(self, *words):
        """A command to the server."""
        command = [*self._command, *map(str, words)]
        return subprocess.run(command, env=self._environment, capture_output=True, text=True, check=False)

    def attach(self, *size):
        """Look at the pane from a new terminal."""
        return Terminal(*self._command, "attach", size=size, TERM="xterm-256color")

    def screen(self):
        """What stands in the pane."""
        return self.say("capture-pane", "-p").stdout

    def size(self):
        """Columns and rows of the pane."""
        return self.say("display-message", "-p", "#{pane_width} #{pane_height}").stdout.split()


@pytest.fixture
def tmux(playground):
    """Ended with the test, whatever runs in it."""
    server = Tmux(playground)
    yield server
    server.say("kill-server")


def updates(screen):
    """How many updates the header counts."""
    return max(map(int, re.findall(r"update (\d+)", screen)), default=0)


def test_a_training_goes_on_without_viewers(tmux, playground, commands, wait_for):
    """The picture fits each window that comes back and is that of now; a key still ends the screen."""
    training = shlex.join([*commands["esper"], "ppo", *OPTIONS])
    tmux.say("set-option", "-g", "status", "off", ";", "new-session", "-d", "-x", "120", "-y", "40", training)
    wait_for(lambda: "LIVE" in tmux.screen() and updates(tmux.screen()), what="the first update")

    small = tmux.attach(80, 24)
    small.read_until(lambda seen: b"LIVE" in seen)
    wait_for(lambda: tmux.size() == ["80", "24"], what="the window of 80 by 24")
    wait_for(lambda: tmux.screen().splitlines()[-1].startswith(" q quit"), what="a picture that fits it")
    tmux.say("detach-client")
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
