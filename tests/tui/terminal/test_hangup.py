"""Tests of esper_tui.terminal.hangup, on real pseudo-terminals and signals."""

import asyncio
import os
import pty
import signal
import sys

import pytest
from textual.app import App
from textual.drivers.headless_driver import HeadlessDriver

from esper_tui.terminal.hangup import (
    HangupTolerantStream,
    coalesce_resizes,
    exit_on_signals,
    hangup_tolerant,
    terminal_is_gone,
)


@pytest.fixture
def terminal():
    """The program's side of a pseudo-terminal, and a function that hangs it up."""
    ours, theirs = pty.openpty()
    stream = os.fdopen(theirs, "w", buffering=1, closefd=False)
    open_ends = [ours]

    def hang_up():
        os.close(open_ends.pop())

    yield stream, hang_up
    for end in (*open_ends, theirs):
        os.close(end)


def test_a_stream_writes_to_its_terminal(terminal):
    """All other attributes are those of the terminal."""
    stream = HangupTolerantStream(terminal[0])
    stream.write("hello")
    stream.flush()

    assert stream.isatty()
    assert stream.fileno() == terminal[0].fileno()


def test_writing_after_a_hangup_raises_nothing(terminal):
    """An error would end the thread that writes."""
    stream, hang_up = terminal
    hang_up()
    with pytest.raises(OSError, match="Input/output error"):
        stream.write("x\n")

    HangupTolerantStream(stream).write("x\n")
    HangupTolerantStream(stream).flush()


def test_a_terminal_is_gone_once_it_has_hung_up(terminal, monkeypatch):
    """It is not gone before, and neither is a stream that never was a terminal."""
    stream, hang_up = terminal
    monkeypatch.setattr(sys, "__stdin__", stream)
    assert not terminal_is_gone()
    hang_up()
    assert terminal_is_gone()
    with open(os.devnull, encoding="utf-8") as nothing:  # noqa: PTH123
        monkeypatch.setattr(sys, "__stdin__", nothing)
        assert not terminal_is_gone()
    assert not terminal_is_gone()  # it is closed now
    monkeypatch.setattr(sys, "__stdin__", None)
    assert not terminal_is_gone()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
async def test_a_signal_ends_the_app_in_its_own_loop(number):
    """The terminal can be restored before the process exits."""
    ended = asyncio.Event()
    exit_on_signals(ended.set)
    os.kill(os.getpid(), number)
    await asyncio.wait_for(ended.wait(), 10)

    asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM)
    asyncio.get_running_loop().remove_signal_handler(signal.SIGHUP)


def test_without_an_event_loop_signals_are_left_as_they_are():
    """There is no error, and no handler is installed."""
    before = signal.getsignal(signal.SIGTERM)
    exit_on_signals(lambda: None)

    assert signal.getsignal(signal.SIGTERM) is before


class TerminalDriver(HeadlessDriver):
    """A driver that writes to the terminal, like the one for Unix."""

    def __init__(self, app):
        super().__init__(app)
        self._file = sys.__stderr__


async def test_only_a_driver_that_writes_to_the_terminal_is_changed():
    """A headless driver has no stream."""
    tolerant, headless = (hangup_tolerant(kind)(App()) for kind in (TerminalDriver, HeadlessDriver))

    assert isinstance(tolerant, TerminalDriver)
    assert isinstance(tolerant._file, HangupTolerantStream)
    assert "_file" not in vars(headless)


@pytest.fixture
def resize_handler():
    """Sets a handler that another resize interrupts, 2000 times; a list with an item for each call."""
    previous = signal.getsignal(signal.SIGWINCH)
    calls = []

    def handle(*_):
        calls.append(None)
        if len(calls) < 2000:
            os.kill(os.getpid(), signal.SIGWINCH)

    signal.signal(signal.SIGWINCH, handle)
    yield calls
    signal.signal(signal.SIGWINCH, previous)


async def test_a_burst_of_resizes_is_handled_one_after_the_other(resize_handler, monkeypatch):
    """Within each other they would exceed the recursion limit."""
    monkeypatch.setattr("esper_tui.terminal.hangup.RESIZE_INTERVAL_S", 0.0)
    coalesce_resizes()
    os.kill(os.getpid(), signal.SIGWINCH)

    async with asyncio.timeout(30):
        while len(resize_handler) < 2000:
            await asyncio.sleep(0)


async def test_resizes_within_a_moment_are_one(resize_handler):
    """The size is read when it is handled, so that the last one counts."""
    resize_handler.extend([None] * 2000)
    coalesce_resizes()
    for _ in range(50):
        os.kill(os.getpid(), signal.SIGWINCH)
    await asyncio.sleep(0.2)

    assert 2001 <= len(resize_handler) < 2050
