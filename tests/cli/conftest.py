"""Fixtures that run commands inside the test process and restore its state."""

from collections.abc import Iterator
from typing import NamedTuple

import pytest

from esper_bus.host.process_logging import reset_logging
from esper_bus.paths import RunPaths
from esper_bus.records import Batch, StreamKey
from esper_bus.store.spool import SpoolWriter
from esper_cli import esper
from esper_schemas.codec import encode_event
from esper_schemas.source import Feed


class Result(NamedTuple):
    """The result of a command: exit code, stdout, stderr."""

    code: int
    out: str
    err: str


@pytest.fixture(autouse=True)
def restored_logging() -> Iterator[None]:
    """A command logs to the stderr of its test, which is closed after the test."""
    yield
    reset_logging()


@pytest.fixture
def run_esper(capsys):
    """Runs `esper` in this process; returns exit code, stdout and stderr."""

    def run(*arguments) -> Result:
        try:
            code = esper.main([str(argument) for argument in arguments])
        except SystemExit as exit_:
            code = exit_.code
        return Result(code, *capsys.readouterr())

    return run


@pytest.fixture
def recorded(tmp_path):
    """Records events into a run, each in a batch of its own; returns the run's directory."""

    def write(*events, name="mine", producer="trainer:0"):
        run_dir = tmp_path / name
        spool = SpoolWriter(RunPaths(run_dir), StreamKey(name, producer, 1))
        for seq, event in enumerate(events):
            spool.write(Batch(seq, [(1_000_000_000 * seq, encode_event(event))]))
        spool.close()
        return run_dir

    return write


class Nothing:
    """A source without a snapshot."""

    def poll(self) -> Feed:
        """Return a feed without a snapshot."""
        return Feed()

    def close(self) -> None:
        """There is nothing to release."""


@pytest.fixture
def nothing() -> Nothing:
    """A source without a snapshot."""
    return Nothing()


@pytest.fixture
def app_options(monkeypatch, tmp_path):
    """Replaces the Sanctum app; collects its options and the first feed of its source."""
    collected = {}

    class App:
        is_running = False

        def __init__(self, source, **options):
            collected.update(options)
            self.source = source

        def run(self, **options):
            collected.update(options, feed=self.source.poll())

    monkeypatch.setattr("esper_tui.app.SanctumApp", App)
    monkeypatch.delenv("SSH_CONNECTION", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return collected
