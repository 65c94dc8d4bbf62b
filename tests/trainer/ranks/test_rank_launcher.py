"""Processes that are launched together end together."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from esper_trainer.ranks import rank_launcher
from esper_trainer.ranks.rank_launcher import RENDEZVOUS, train_with_ranks

pytestmark = pytest.mark.process

CHILD = """
import json, os, signal, sys, time
from pathlib import Path
directory, rank = Path(__file__).parents[1], os.environ["RANK"]
signal.signal(signal.SIGTERM, lambda *_: sys.exit((directory / f"signalled-{rank}").write_text("") or 3))
started = {"environment": dict(os.environ), "options": sys.argv[1:]}
(directory / f"started-{rank}.part").write_text(json.dumps(started))
(directory / f"started-{rank}.part").rename(directory / f"started-{rank}")
if (directory / f"exit-{rank}").exists():
    sys.exit(int((directory / f"exit-{rank}").read_text()))
deadline = time.monotonic() + 60
while time.monotonic() < deadline:
    time.sleep(0.02)
"""
"""A training process that exits with the code in a file, or else runs until it is terminated."""

LAUNCH = """
import os, sys
from esper_trainer.ranks.rank_launcher import train_with_ranks
os.environ["PYTHONPATH"] = sys.argv[1]
sys.exit(train_with_ranks([], 2))
"""


@pytest.fixture
def directory(tmp_path, monkeypatch):
    """The directory in which `python -m esper_trainer` finds `CHILD`, and `CHILD` its files."""
    package = tmp_path / "esper_trainer"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "__main__.py").write_text(CHILD)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path


def exits(directory, *codes):
    """Let the ranks exit with these codes."""
    for rank, code in enumerate(codes):
        (directory / f"exit-{rank}").write_text(str(code))


def started(directory, rank):
    """The environment and the options of a rank."""
    return json.loads((directory / f"started-{rank}").read_text())


def test_every_rank_gets_its_number_and_the_options(directory):
    """They share a rendezvous file, whose directory is removed afterwards."""
    exits(directory, 0, 0, 0)

    assert train_with_ranks(["--episodes=1"], 3) == 0
    ranks = [started(directory, rank) for rank in range(3)]
    assert [rank["environment"]["LOCAL_RANK"] for rank in ranks] == ["0", "1", "2"]
    assert {rank["environment"]["WORLD_SIZE"] for rank in ranks} == {"3"}
    assert {rank["environment"]["OMP_NUM_THREADS"] for rank in ranks} == {
        os.environ.get("OMP_NUM_THREADS", "1")
    }
    assert all(rank["options"] == ["--episodes=1"] for rank in ranks)
    (rendezvous,) = {rank["environment"][RENDEZVOUS] for rank in ranks}
    assert rendezvous.startswith("file:///")
    assert not Path(rendezvous.removeprefix("file://")).parent.exists()


def test_one_failed_rank_fails_the_training(directory, capfd):
    """A rank that exits with 1 has reported why, so that the launcher adds nothing."""
    exits(directory, 0, 1)

    assert train_with_ranks([], 2) == 1
    assert capfd.readouterr().err == ""


def test_if_no_rank_could_report_the_launcher_does(directory, capfd):
    """Its message has the exit code of each rank."""
    exits(directory, 137, 143)

    assert train_with_ranks([], 2) == 1
    assert "All processes were killed (rank 0: 137, rank 1: 143)" in capfd.readouterr().err


@pytest.mark.parametrize("failed", [0, 1])
def test_ranks_that_outlive_a_failed_one_are_terminated(directory, monkeypatch, failed):
    """They get SIGTERM after a while, whichever rank failed."""
    monkeypatch.setattr(rank_launcher, "_TERMINATE_AFTER_S", 1.0)
    (directory / f"exit-{failed}").write_text("1")

    assert train_with_ranks([], 2) == 1
    assert (directory / f"signalled-{1 - failed}").exists()


def test_a_signal_is_forwarded_to_every_rank(directory, monkeypatch):
    """The launcher waits until all of them have ended."""
    monkeypatch.delenv("PYTHONPATH")
    with subprocess.Popen([sys.executable, "-c", LAUNCH, str(directory)], stderr=subprocess.PIPE) as launcher:
        deadline = time.monotonic() + 60
        while not all((directory / f"started-{rank}").exists() for rank in range(2)):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        launcher.send_signal(signal.SIGTERM)
        _, errors = launcher.communicate(timeout=60)

    assert launcher.returncode == 1
    assert b"All processes were killed (rank 0: 3, rank 1: 3)" in errors
    assert all((directory / f"signalled-{rank}").exists() for rank in range(2))
