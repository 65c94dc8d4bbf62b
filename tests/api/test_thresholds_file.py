"""Thresholds are given to `connect` as a file or as a text, and recorded with the run."""

from pathlib import Path

import pytest

from esper_lite import InvalidArgument, RunStarted
from esper_schemas.declarations import HeadSpec

WIDER = "[kl_divergence]\nwarning_above = 0.5\ncritical_above = 1.0\n"


@pytest.fixture
def file(tmp_path):
    """A file of thresholds."""
    path = tmp_path / "thresholds.toml"
    path.write_text(WIDER)
    return path


@pytest.mark.parametrize("given", [Path, str, Path.read_text], ids=["path", "name", "text"])
def test_the_text_is_recorded_in_the_first_event(connect, events, file, given):
    """A text contains a "=", the name of a file does not."""
    connect(thresholds=given(file)).close(timeout=0)

    assert events()[0].thresholds == WIDER


def test_they_may_name_the_heads_that_the_run_declares(connect, events):
    """As in `RunStarted.thresholds`, which is used unless the argument is given."""
    started = RunStarted(
        task="t", heads=(HeadSpec("move", 4),), thresholds="head_move_entropy = { critical_below = 0.01 }"
    )
    connect(started=started).close(timeout=0)

    assert events()[0].thresholds == started.thresholds


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"thresholds": "[mood]\nx = 1"}, r"^thresholds:1: there is no metric 'mood'"),
        ({"thresholds": "nowhere.toml"}, r"^Cannot read the thresholds nowhere.toml: No such file"),
        ({"thresholds": Path("/")}, r"^Cannot read the thresholds /: Is a directory"),
        ({"thresholds": "a\0b"}, r"it is not a path"),
        ({"thresholds": "x" * 50_000}, r"^Cannot read the thresholds x"),
        ({"thresholds": "#=" * 50_000}, r"^thresholds: the thresholds have 100,000 characters"),
        ({"thresholds": Path("/dev/zero")}, r"^/dev/zero: the thresholds have"),
        ({"started": RunStarted(task="t", thresholds="x")}, r"^RunStarted.thresholds: not valid TOML"),
    ],
)
def test_thresholds_that_cannot_be_used_are_refused(connect, runs_dir, arguments, message):
    """One sentence, before anything is created."""
    with pytest.raises(InvalidArgument, match=message):
        connect(**arguments)

    assert not runs_dir.exists()


def test_a_file_that_is_not_text_is_refused(connect, file):
    """UTF-16, for example."""
    file.write_text(WIDER, encoding="utf-16")

    with pytest.raises(InvalidArgument, match="it is not UTF-8 text; choose a TOML file"):
        connect(thresholds=file)
