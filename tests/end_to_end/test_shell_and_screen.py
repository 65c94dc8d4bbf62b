"""Sanctum started by a shell in tmux: the title of its window, and ctrl-z."""

import shlex
import shutil

import pytest
from tests.end_to_end.test_tmux import Tmux

from esper_lite import connect

pytestmark = [pytest.mark.process, pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux")]
PROMPT = "shell>"


@pytest.fixture
def run_dir(tmp_path):
    """A recorded run of three updates, of four that were planned."""
    with connect("titled", runs_dir=tmp_path, aggregator=False) as telemetry:
        for update in range(1, 4):
            telemetry.log({"policy_loss": 0.1, "approx_kl": 0.01}, step=update)
    return tmp_path / "titled"


class Shell(Tmux):
    """A shell in tmux, whose window has a title of its own."""

    def type(self, *words):
        """Type a command."""
        self.command("send-keys", " ".join(words), "Enter")

    def press(self, key):
        """Press a key."""
        self.command("send-keys", key)

    @property
    def title(self):
        """The title of the window."""
        return self.command("display-message", "-p", "#{pane_title}").stdout.strip()

    @property
    def last_line(self):
        """The last line that is not empty."""
        return ([line for line in self.screen().splitlines() if line.strip()] or [""])[-1]


@pytest.fixture
def shell(playground, wait_for):
    """A shell with job control in a window of 100 by 30."""
    server = Shell(playground)
    session = ("new-session", "-d", "-x", "100", "-y", "30", f"PS1='{PROMPT}' bash --norc")
    # The server of the last test may still be ending, and then refuses.
    wait_for(lambda: server.command(*session).returncode == 0, what="a session")
    server.command("select-pane", "-T", "mine")
    wait_for(lambda: server.last_line == PROMPT, what="the prompt")
    yield server
    server.command("kill-server")


@pytest.fixture
def opened(shell, commands, run_dir, wait_for):
    """The shell with Sanctum in its foreground."""
    shell.type(shlex.join([*commands["sanctum"], str(run_dir)]))
    wait_for(lambda: "REPLAY" in shell.screen(), what="the screen")
    return shell


def test_the_window_has_a_title_while_the_screen_is_drawn(opened, wait_for):
    """It has the state, the verdict, the progress and the run; the one before is restored at the end."""
    wait_for(lambda: opened.title == "REPLAY HEALTHY 3 titled - sanctum", what="the title")
    opened.press("q")
    wait_for(lambda: opened.last_line == PROMPT, what="the prompt")

    assert opened.title == "mine"


def test_ctrl_z_returns_to_the_shell_and_fg_to_the_screen(opened, wait_for):
    """The shell has its terminal as before; the screen is drawn anew, also after a `bg`, and keys work."""
    for resumed_by in (("fg",), ("bg", "fg")):
        opened.press("C-z")
        wait_for(lambda: opened.last_line == PROMPT, what="the prompt")
        assert "Stopped" in opened.screen()
        assert opened.title == "mine"
        opened.type("stty -a | grep -c ' -icanon\\| -echo '")
        wait_for(lambda: f"\n0\n{PROMPT}" in opened.screen(), what="a terminal in its usual mode")
        for command in resumed_by:
            opened.type("clear;", command)
        wait_for(lambda: "REPLAY" in opened.screen(), what="the screen")
        opened.press("?")
        wait_for(lambda: "Quit Sanctum" in opened.screen(), what="the help page")
        opened.press("Escape")
        wait_for(lambda: "REPLAY" in opened.screen(), what="the screen")
    opened.press("q")
    wait_for(lambda: opened.last_line == PROMPT, what="the prompt")
    assert opened.title == "mine"


def test_without_a_shell_ctrl_z_does_not_stop_the_screen(shell, commands, run_dir, wait_for):
    """A process that nobody could resume goes on and says so."""
    shell.type("exec", shlex.join([*commands["sanctum"], str(run_dir)]))
    wait_for(lambda: "REPLAY" in shell.screen(), what="the screen")
    shell.press("C-z")
    wait_for(lambda: "cannot be suspended" in shell.screen(), what="the reason")
    shell.press("?")
    wait_for(lambda: "Quit Sanctum" in shell.screen(), what="the help page")
