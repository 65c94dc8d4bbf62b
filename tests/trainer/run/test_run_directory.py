"""The directory of a run is created once and trained in by one process per rank."""

import subprocess
import sys

import pytest

from esper_bus.paths import RunPaths
from esper_schemas.errors import InvalidArgument, Refused, RunExists, StorageError
from esper_trainer.run.run_directory import (
    create_run_dir,
    ensure_writable,
    is_run,
    lock_training,
    recovery_advice,
    require_run,
)

pytestmark = pytest.mark.process

HOLD = """
import sys
from pathlib import Path
from esper_trainer.run.run_directory import lock_training
with lock_training(Path(sys.argv[1]), 0):
    print("locked", flush=True)
    sys.stdin.read()
"""


def test_a_new_run_gets_an_empty_directory(tmp_path):
    """The runs directory is created if it does not exist yet."""
    run_dir = create_run_dir(tmp_path / "runs", "one")

    assert run_dir == tmp_path / "runs" / "one"
    assert list(run_dir.iterdir()) == []
    assert not is_run(run_dir)


@pytest.mark.parametrize("part", ["spool_dir", "log_dir"])
def test_a_recorded_run_is_not_created_again(tmp_path, part):
    """A spool or a log makes a directory a run; an empty directory of that name can be used."""
    create_run_dir(tmp_path, "one")
    assert create_run_dir(tmp_path, "one").is_dir()
    getattr(RunPaths(tmp_path / "one"), part).mkdir()

    with pytest.raises(RunExists, match="one already exists"):
        create_run_dir(tmp_path, "one")
    require_run(tmp_path / "one")


def test_a_name_that_is_not_one_folder_is_refused(tmp_path):
    """Nothing is created."""
    with pytest.raises(InvalidArgument):
        create_run_dir(tmp_path, "../elsewhere")
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_place_of_the_runs_directory_is_reported(tmp_path):
    """It is a StorageError."""
    (tmp_path / "runs").write_text("")

    with pytest.raises(StorageError, match="Cannot write"):
        create_run_dir(tmp_path / "runs", "one")


def test_a_missing_run_is_reported_by_its_name(tmp_path):
    """The message has the directory of the runs."""
    with pytest.raises(InvalidArgument, match=f"no run gone in {tmp_path}"):
        require_run(tmp_path / "gone")


def test_trying_to_write_leaves_nothing_behind(tmp_path):
    """The directory is created and stays empty."""
    ensure_writable(tmp_path / "a" / "b")

    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_advice_depends_on_whether_there_is_a_checkpoint(tmp_path):
    """It is to resume, or to start a new run."""
    assert recovery_advice(tmp_path) == "start a new run"
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "00000010-rank0.pt").write_bytes(b"")

    assert f"--resume {tmp_path.name}" in recovery_advice(tmp_path)


def test_one_process_trains_a_rank_of_a_run(tmp_path):
    """Another rank has its own lock; the lock ends with its process."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout.readline() == b"locked\n"

    with pytest.raises(Refused, match="being trained by another process"):
        lock_training(tmp_path, 0)
    with lock_training(tmp_path, 1):
        pass
    process.communicate(timeout=30)
    with lock_training(tmp_path, 0):
        pass
