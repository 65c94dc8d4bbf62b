"""A long run is read with a line of progress on a terminal."""

import io

import pytest

from esper_cli.output import reading_progress
from esper_cli.output.reading_progress import folded_run
from esper_schemas.events import LogRecorded


@pytest.fixture
def run_dir(recorded):
    """A run of 600 events, which takes several steps to read."""
    return recorded(*[LogRecorded(level="info", message="m")] * 600)


@pytest.mark.parametrize("is_terminal", [True, False])
def test_the_progress_of_reading_is_shown_on_a_terminal(monkeypatch, run_dir, is_terminal):
    """It is a line of stderr, which is removed at the end; elsewhere nothing is written."""
    screen = io.StringIO()
    monkeypatch.setattr(screen, "isatty", lambda: is_terminal, raising=False)
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setattr(reading_progress, "SHOWN_AFTER_S", 0.0)
    monkeypatch.setattr(reading_progress, "INTERVAL_S", 0.0)

    assert folded_run("esper state", run_dir, lambda damage: None).events_folded == 600
    written = screen.getvalue()
    if not is_terminal:
        assert written == ""
        return
    assert f"esper state: reading {run_dir}: " in written
    assert written.endswith("\r\x1b[K")
