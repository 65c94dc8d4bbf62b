"""Tests of esper_tui.terminal.window_title."""

import pytest

from esper_tui.terminal.window_title import RESTORE, SAVE, has_title, set_title, titled


@pytest.mark.parametrize(
    ("terminal", "has"),
    [
        ("xterm-256color", True),
        ("tmux-256color", True),
        ("screen", True),
        ("xterm-kitty", True),
        ("linux", False),
        ("vt100", False),
        ("dumb", False),
        ("", False),
    ],
)
def test_only_terminals_with_a_title_get_one(terminal, has):
    """Others would print the sequence."""
    assert has_title({"TERM": terminal}) is has


def test_a_title_cannot_end_its_own_sequence():
    """Control characters in the name of a run are replaced, and a long name is cut."""
    assert set_title("a\x07\x1b]2;b") == "\x1b]2;a��]2;b\x07"
    assert len(set_title("x" * 1000)) < 120


class Driver:
    """A driver that keeps what is written."""

    def __init__(self):
        self.written = ""

    def write(self, text):
        """Keep the text."""
        assert self.written.count("start") > self.written.count("stop"), "written outside of application mode"
        self.written += text

    def start_application_mode(self):
        """Note the start."""
        self.written += "start"

    def stop_application_mode(self):
        """Note the end."""
        self.written += "stop"


def test_a_title_is_set_between_start_and_stop(monkeypatch):
    """The title of the terminal is saved before and restored after; a new start sets the last one again."""
    monkeypatch.setenv("TERM", "xterm")
    driver = titled(Driver)()
    driver.set_title("early")
    driver.start_application_mode()
    driver.set_title("late")
    driver.set_title("late")
    driver.stop_application_mode()
    driver.start_application_mode()

    first = f"start{SAVE}{set_title('early')}{set_title('late')}{RESTORE}stop"
    assert driver.written == f"{first}start{SAVE}{set_title('late')}"


def test_a_terminal_without_a_title_is_sent_none(monkeypatch):
    """Not even the sequence that saves one."""
    monkeypatch.setenv("TERM", "linux")
    driver = titled(Driver)()
    driver.start_application_mode()
    driver.set_title("a title")
    driver.stop_application_mode()

    assert driver.written == "startstop"
