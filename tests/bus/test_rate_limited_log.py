"""Library logging: rate-limited and structured, with `logging` alone."""

import logging
import subprocess
import sys

import pytest

from esper_bus import rate_limited_log
from esper_bus.rate_limited_log import REPEAT_AFTER_S, LogMessage, RateLimitedLog

USER_PROGRAM = """
import logging, sys
from pathlib import Path
from esper_bus.emit.emitter import Emitter

if sys.argv[2] == "disabled":
    logging.disable()
if sys.argv[2] != "unconfigured":
    logging.basicConfig(format="%(name)s|%(message)s")
emitter = Emitter("run", "host:0", Path(sys.argv[1]))
emitter.emit(object())
emitter.close()
print(sorted(name for name in sys.modules if name == "structlog"), end="")
"""


@pytest.fixture
def clock(monkeypatch):
    """A clock that a test sets."""
    now = [1000.0]
    monkeypatch.setattr(rate_limited_log.time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def messages(caplog):
    """What was logged so far, with its level."""
    caplog.set_level(logging.INFO, "esper")
    return lambda: [(record.levelname, str(record.msg)) for record in caplog.records]


def test_a_message_prints_its_fields():
    """They are printed even if a program configures nothing but `logging.basicConfig`."""
    assert str(LogMessage("disk full")) == "disk full"
    assert str(LogMessage("disk full", path="/x y", bytes=3)) == "disk full (path='/x y', bytes=3)"


def test_a_problem_is_logged_once_a_minute(clock, messages):
    """The next message contains the number of suppressed ones; each kind is counted separately."""
    log = RateLimitedLog("esper.test", run="r")
    for _ in range(3):
        log.warn("disk full", path="/x")
    log.warn("no aggregator")
    clock[0] += REPEAT_AFTER_S
    log.warn("disk full")

    assert messages() == [
        ("WARNING", "disk full (run='r', path='/x')"),
        ("WARNING", "no aggregator (run='r')"),
        ("WARNING", "disk full (run='r', repeats=2)"),
    ]


def test_only_a_logged_problem_is_resolved(clock, messages):
    """After that, the same problem is logged again at once."""
    log = RateLimitedLog("esper.test")
    log.resolved("disk full")
    log.warn("disk full")
    log.resolved("disk full")
    log.resolved("disk full")
    log.warn("disk full")

    assert messages() == [
        ("WARNING", "disk full"),
        ("INFO", "resolved: disk full"),
        ("WARNING", "disk full"),
    ]


def test_a_handler_that_fails_does_not_reach_the_caller(clock):
    """An exception of the program's own log handler is not raised."""

    class Broken(logging.Handler):
        def emit(self, record):
            raise OSError("closed")

    handler = Broken()
    logging.getLogger("esper.test").addHandler(handler)
    RateLimitedLog("esper.test").warn("disk full")
    logging.getLogger("esper.test").removeHandler(handler)


@pytest.mark.process
@pytest.mark.parametrize("configured", ["configured", "disabled", "unconfigured"])
def test_a_program_decides_what_the_library_prints(tmp_path, configured):
    """Nothing is written to stdout, stderr is as `logging` is configured, and structlog is not loaded."""
    command = [sys.executable, "-c", USER_PROGRAM, str(tmp_path / "run"), configured]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)

    assert done.stdout == "[]"
    if configured == "configured":
        assert (
            "esper.bus.emit|cannot record an event (run='run', producer='host:0', event_kind='unknown')"
            in done.stderr
        )
    else:
        assert done.stderr == ""
