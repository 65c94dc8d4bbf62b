"""Commands run inside the tests' process, and leave it as they found it."""

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
    """What a command did: exit code, stdout, stderr."""

    code: int
    out: str
    err: str


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """A command sends log lines to the stderr of its test, which is closed when the test is over."""
    yield
    reset_logging()


@pytest.fixture
def esper_says(capsys):
    """Runs `esper` in this process; gives exit code, stdout, stderr."""

    def run(*arguments) -> Result:
        try:
            code = esper.main([str(argument) for argument in arguments])
        except SystemExit as exit_:
            code = exit_.code
        return Result(code, *capsys.readouterr())

    return run


@pytest.fixture
def recorded(tmp_path):
    """Records events into a run of their own, each written by itself; gives the run's directory."""

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
        """Nothing was received."""
        return Feed()

    def close(self) -> None:
        """Nothing to release."""


@pytest.fixture
def nothing() -> Nothing:
    """A source without a snapshot."""
    return Nothing()


@pytest.fixture
def app_options(monkeypatch, tmp_path):
    """Replaces the Sanctum app; collects what it is made and run with, and the first feed of its source."""
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
