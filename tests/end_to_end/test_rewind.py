"""Going back in time in Sanctum, on a recorded run and on a live one, as a user does."""

import re
import shlex
import shutil
import subprocess

import pytest

pytestmark = [pytest.mark.process, pytest.mark.slow]
needs_tmux = pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux")
TRAINING = ("--envs", "4", "--episodes", "12", "--checkpoint-every", "5", "--name", "past")


@pytest.fixture(scope="module")
def recorded(playground, commands):
    """A recorded run of twelve updates."""
    done = playground.run([*commands["train"], *TRAINING])
    assert done.returncode == 0, done.stderr
    return playground.runs_dir / "past"


class Tmux:
    """A tmux server with one pane."""

    def __init__(self, playground):
        self._command = ["tmux", "-f", "/dev/null", "-S", str(playground.runs_dir.parent / "rewind")]
        self._environment = {**playground.environment, "TERM": "xterm-256color"}
        del self._environment["COLUMNS"]  # Textual would use it as the width of every window.

    def command(self, *words):
        """Run a command of the server."""
        command = [*self._command, *map(str, words)]
        return subprocess.run(command, env=self._environment, capture_output=True, text=True, check=False)

    def start(self, command, width, height):
        """Run a command in a window of this size."""
        self.command("new-session", "-d", "-x", width, "-y", height, shlex.join(command))
        self.command("set-option", "-g", "status", "off")

    def press(self, *keys):
        """Press keys, by the names of tmux."""
        self.command("send-keys", *keys)

    def screen(self):
        """The text of the pane."""
        return self.command("capture-pane", "-p").stdout


@pytest.fixture
def tmux(playground):
    """A tmux server that is ended after the test, with everything that runs in it."""
    server = Tmux(playground)
    yield server
    server.command("kill-server")


def update_of(screen):
    """The update in the first row."""
    found = re.search(r"update (\d+)/", screen.partition("\n")[0])
    return int(found[1]) if found else None


@needs_tmux
def test_a_recorded_run_is_rewound_in_a_terminal(tmux, recorded, commands, wait_for):
    """Every key of the past arrives through a real terminal, and the screen is that of the update."""

    def see(update, *words):
        wait_for(
            lambda: update_of(tmux.screen()) == update and all(word in tmux.screen() for word in words),
            what=f"update {update} with {words} in\n{tmux.screen()}",
        )

    tmux.start([*commands["sanctum"], str(recorded)], 120, 40)
    see(12, "REPLAY")
    tmux.press(",")
    see(11, "PAST", "end: +1")
    tmux.press(",", ",")
    see(9, "PAST", "end: +3")
    tmux.press(".")
    see(10, "end: +2")
    tmux.press("<")
    see(5, "checkpoint of update 5")
    tmux.press(">")
    see(10, "checkpoint of update 10")
    tmux.press(":", "7", "Enter")
    see(7, "end: +5")
    tmux.press("T")
    see(7, "space play")
    tmux.press("Home")
    see(1, "end: +11")
    tmux.press("+", "+", "+", "+", "+", "+")
    wait_for(lambda: "64×" in tmux.screen(), what="the speed")
    tmux.press("-")
    wait_for(lambda: "32×" in tmux.screen(), what="the lower speed")
    tmux.press("Space")
    see(12, "REPLAY", "the present")
    tmux.press(",")
    see(11, "PAST")
    tmux.press("End")
    see(12, "REPLAY")
    tmux.press("q")


def test_the_past_of_a_live_run_is_that_of_its_file(playground, recorded, commands, wait_for):
    """The aggregator answers as the log does."""
    playground.start([*commands["esper"], "aggregate"])
    wait_for(
        lambda: playground.run([*commands["sanctum"], "--once"]).returncode == 0, what="a snapshot of the run"
    )
    live = playground.run([*commands["sanctum"], "--run", "past", "--json", "--at", "update:7"])
    file = playground.run([*commands["sanctum"], str(recorded), "--json", "--at", "update:7"])

    assert live.returncode == file.returncode == 0, live.stderr
    assert live.stdout == file.stdout
