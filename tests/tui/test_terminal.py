"""Sanctum on a real terminal: a process of its own behind a pseudo-terminal."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time

import pytest

PROGRAM = """
from esper_schemas.source import Feed
from esper_tui.app import SanctumApp

class Nobody:
    def poll(self):
        return Feed(origin="ipc:///nowhere")

    def close(self):
        pass

SanctumApp(Nobody()).run()
"""
DEADLINE_S = 30


class Terminal:
    """A program on a pseudo-terminal of 80 by 24, and everything it wrote."""

    def __init__(self, **environment):
        self.ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        env = os.environ | environment
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM], stdin=theirs, stdout=theirs, stderr=theirs, env=env
        )
        os.close(theirs)
        self.written = b""

    def read_until(self, is_enough):
        """Read until something was written, or fail at the deadline."""
        deadline = time.monotonic() + DEADLINE_S
        while not is_enough(self.written):
            assert time.monotonic() < deadline, self.written[-2000:]
            if not select.select([self.ours], [], [], 0.1)[0]:
                continue
            try:
                self.written += os.read(self.ours, 65536)
            except OSError:
                assert is_enough(self.written), self.written[-2000:]

    def press(self, keys):
        """Type something."""
        os.write(self.ours, keys)


@pytest.fixture
def open_terminal():
    """Opens terminals and leaves none behind."""
    opened = []

    def make(**environment):
        opened.append(Terminal(**environment))
        return opened[-1]

    yield make
    for terminal in opened:
        terminal.process.kill()
        terminal.process.wait()
        os.close(terminal.ours)


def test_it_draws_and_leaves_the_terminal_as_it_was(open_terminal):
    """The alternate screen is entered, drawn on, and left again; the exit code is 0."""
    terminal = open_terminal()
    terminal.read_until(lambda seen: b"PPO LOSSES" in seen and b"nowhere" in seen)
    terminal.press(b"q")
    terminal.read_until(lambda seen: b"\x1b[?1049l" in seen)

    assert terminal.process.wait(DEADLINE_S) == 0
    assert b"Traceback" not in terminal.written


def test_no_color_is_respected(open_terminal):
    """With NO_COLOR set, no colour is written; marks and words say the same."""
    terminal = open_terminal(NO_COLOR="1")
    terminal.read_until(lambda seen: b"PPO LOSSES" in seen and b"nowhere" in seen)

    assert not re.search(rb"\x1b\[[0-9;]*[34]8;", terminal.written)


def test_colours_are_those_of_the_palette(open_terminal):
    """No true colour is needed, so that ssh and tmux show the same picture."""
    terminal = open_terminal()
    terminal.read_until(lambda seen: b"ACTION HEADS" in seen)

    assert b"38;5;110" in terminal.written
    assert b"38;2;" not in terminal.written


def test_sixteen_colours_are_enough(open_terminal):
    """A terminal that has no more gets its own colours on its own background."""
    terminal = open_terminal(TERM="screen", COLORTERM="")
    terminal.read_until(lambda seen: b"ACTION HEADS" in seen)

    assert b"\x1b[1;94m" in terminal.written
    assert b"38;5;" not in terminal.written
