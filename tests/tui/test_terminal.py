"""Sanctum on a pseudo-terminal, in a process of its own."""

import re
import select
import signal
import sys

import pytest
from tests.tui.pseudo_terminal import DEADLINE_S

PROGRAM = """
import os
import time
import esper_tui.app
from esper_schemas import Feed, SanctumSnapshot, TamiyoState
from esper_tui.app import SanctumApp

class Nobody:
    def poll(self):
        number = time.monotonic_ns() // 10**7 if "MOVING" in os.environ else 0
        state = TamiyoState(policy_loss=number % 97, ppo_updates_count=number, ppo_data_received=number > 0)
        return Feed(snapshot=SanctumSnapshot(events_folded=number, tamiyo=state), origin="ipc:///nowhere")

    def close(self):
        pass

esper_tui.app.TERMINAL_CHECK_S = float(os.environ.get("TERMINAL_CHECK_S", 2))
SanctumApp(Nobody()).run()
"""


@pytest.fixture
def open_terminal(open_terminal):
    """Opens terminals that run the app with its own source."""
    return lambda **environment: open_terminal(sys.executable, "-c", PROGRAM, **environment)


@pytest.mark.process
def test_the_app_draws_and_restores_the_terminal(open_terminal):
    """The alternate screen is entered, drawn on and left again; the exit code is 0."""
    terminal = open_terminal()
    terminal.read_until(lambda seen: b"PPO LOSSES" in seen and b"nowhere" in seen)
    terminal.press(b"q")
    terminal.read_until(lambda seen: b"\x1b[?1049l" in seen)

    assert terminal.process.wait(DEADLINE_S) == 0
    assert b"Traceback" not in terminal.written


@pytest.mark.process
def test_no_color_is_respected(open_terminal):
    """With NO_COLOR set, no colour is written."""
    terminal = open_terminal(NO_COLOR="1")
    terminal.read_until(lambda seen: b"PPO LOSSES" in seen and b"nowhere" in seen)

    assert not re.search(rb"\x1b\[[0-9;]*[34]8;", terminal.written)


@pytest.mark.process
def test_colours_are_those_of_the_palette(open_terminal):
    """True colour is not needed, so that ssh and tmux show the same screen."""
    terminal = open_terminal()
    terminal.read_until(lambda seen: b"ACTION HEADS" in seen)

    assert b"38;5;110" in terminal.written
    assert b"38;2;" not in terminal.written


@pytest.mark.process
def test_sixteen_colours_are_enough(open_terminal):
    """A terminal with no more gets its own colours on its own background."""
    terminal = open_terminal(TERM="screen", COLORTERM="")
    terminal.read_until(lambda seen: b"ACTION HEADS" in seen)

    assert b"\x1b[1;94m" in terminal.written
    assert b"38;5;" not in terminal.written


LEFT_CLEAN = (b"\x1b[?1049l", b"\x1b[?1000l", b"\x1b[?1003l", b"\x1b[?1006l", b"\x1b[?25h", b"\x1b[?2004l")
"""The main screen, no mouse reports, a visible cursor, no bracketed paste."""


@pytest.mark.process
@pytest.mark.parametrize("cause", [b"q", b"\x03", signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_terminal_is_left_clean_by_every_exit(open_terminal, cause):
    """After a key or a signal no mode is left on, and the exit code is 0."""
    terminal = open_terminal(MOVING="1")
    terminal.read_until(lambda seen: b"PPO LOSSES" in seen and b"nowhere" in seen)
    if isinstance(cause, bytes):
        terminal.press(cause)
    else:
        terminal.process.send_signal(cause)
    terminal.read_until(lambda seen: all(mode in seen for mode in LEFT_CLEAN))

    assert terminal.process.wait(DEADLINE_S) == 0
    assert b"Traceback" not in terminal.written


@pytest.mark.process
@pytest.mark.parametrize("moving", ["MOVING", "STANDING"])
def test_a_broken_connection_ends_the_app(open_terminal, moving):
    """The app does not need a SIGHUP for this."""
    terminal = open_terminal(**{moving: "1"})
    terminal.read_until(lambda seen: b"nowhere" in seen)
    terminal.hang_up()

    assert terminal.process.wait(DEADLINE_S) == 0


@pytest.mark.process
def test_a_broken_connection_does_not_block_the_app(open_terminal):
    """Until it checks the terminal it keeps drawing, without a growing queue of frames."""
    terminal = open_terminal(MOVING="1", TERMINAL_CHECK_S="8")
    terminal.read_until(lambda seen: b"nowhere" in seen)
    terminal.hang_up()

    assert terminal.process.wait(DEADLINE_S) == 0


@pytest.mark.process
@pytest.mark.parametrize("kind", ["vt100", "linux", "screen", "xterm-mono", "unheard-of"])
def test_old_and_unknown_terminals_are_drawn_on(open_terminal, kind):
    """No true colour is written."""
    terminal = open_terminal(TERM=kind, COLORTERM="")
    terminal.read_until(lambda seen: b"PPO LOSSES" in seen and b"nowhere" in seen)
    terminal.press(b"q")

    assert terminal.process.wait(DEADLINE_S) == 0
    assert b"38;2;" not in terminal.written


@pytest.mark.process
def test_a_burst_of_resize_signals_does_not_end_the_app(open_terminal):
    """Signals that arrive while another one is handled are handled after it, not within it."""
    terminal = open_terminal(MOVING="1")
    terminal.read_until(lambda seen: b"nowhere" in seen)
    for _ in range(20_000):
        terminal.process.send_signal(signal.SIGWINCH)
    terminal.written = b""
    terminal.press(b"?")

    terminal.read_until(lambda seen: b"Quit Sanctum" in seen, deadline_s=4 * DEADLINE_S)


@pytest.mark.process
def test_many_resizes_while_snapshots_arrive(open_terminal):
    """After 300 resizes the screen is complete, and keys are answered."""
    terminal = open_terminal(MOVING="1")
    terminal.read_until(lambda seen: b"nowhere" in seen)
    for number in range(300):
        terminal.resize(1 + number * 37 % 250, 1 + number * 17 % 80)
        terminal.read_until(lambda _: not select.select([terminal.ours], [], [], 0)[0])
    terminal.resize(100, 30)
    terminal.written = b""
    terminal.press(b"?")
    terminal.read_until(
        lambda seen: b"Quit Sanctum" in seen, deadline_s=4 * DEADLINE_S
    )  # after all resizes are drawn
    terminal.press(b"?")
    terminal.read_until(lambda seen: b"PPO LOSSES" in seen)
    terminal.press(b"q")
    terminal.read_until(lambda seen: all(mode in seen for mode in LEFT_CLEAN))

    assert terminal.process.wait(DEADLINE_S) == 0
    assert b"Traceback" not in terminal.written
