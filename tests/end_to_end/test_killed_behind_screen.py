"""`esper ppo` whose trainer is killed while Sanctum is open, as the kernel does if memory runs out."""

import os
import signal
import subprocess
import time

import pytest
from tests.tui.pseudo_terminal import DEADLINE_S, Terminal

pytestmark = pytest.mark.process

TRAINING_BEGINS_S = 120
"""Importing torch and measuring the baseline take long on a busy machine."""


def child_of(process):
    """The only child process of a process."""
    command = ["ps", "--ppid", str(process.pid), "-o", "pid="]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def test_the_error_says_what_ended_the_training_and_how_to_resume(playground, commands):
    """The error is printed once the screen is closed; until then the screen shows the last snapshot."""
    options = ("--envs", "4", "--episodes", "1000", "--checkpoint-every", "1", "--name", "killed")
    terminal = Terminal(*commands["esper"], "ppo", *options, **playground.environment)
    try:
        terminal.read_until(lambda seen: b"LIVE" in seen, TRAINING_BEGINS_S)
        deadline = time.monotonic() + DEADLINE_S
        while not any((playground.runs_dir / "killed" / "checkpoints").glob("*.pt")):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        os.kill(child_of(terminal.process), signal.SIGKILL)
        terminal.read_until(lambda seen: b"STALE" in seen)
        terminal.press(b"q")
        terminal.read_until(lambda seen: b"--resume killed" in seen)
        code = terminal.process.wait(DEADLINE_S)
    finally:
        terminal.process.kill()
        terminal.process.wait()
        terminal.hang_up()

    assert code == 1
    assert b"esper ppo: the training was ended by signal 9 (Killed); resume from the last" in terminal.written
    assert b"Traceback" not in terminal.written
