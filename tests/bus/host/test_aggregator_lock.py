"""Tests of the lock of a runs directory."""

import os
import signal

import pytest

from esper_bus.addresses import runtime_dir
from esper_bus.host.aggregator_lock import AggregatorLock, aggregator_running, local_runs_dirs
from esper_schemas.errors import Refused, StorageError


@pytest.mark.process
def test_a_second_aggregator_is_refused(runs_dir, aggregator, until):
    """The error names the process that holds the lock; the lock of a killed process is free."""
    first = aggregator()

    assert aggregator_running(runs_dir)
    with pytest.raises(Refused, match=rf"An aggregator \(process {first.pid}\) already serves .*; stop it"):
        AggregatorLock(runs_dir)

    first.send_signal(signal.SIGKILL)
    first.wait()

    assert not aggregator_running(runs_dir)
    with AggregatorLock(runs_dir):
        assert aggregator_running(runs_dir)


def test_a_second_lock_in_one_process_is_refused(runs_dir):
    """The operating system alone would grant it."""
    with AggregatorLock(runs_dir):
        with pytest.raises(Refused, match=f"process {os.getpid()}"):
            AggregatorLock(runs_dir)

        assert aggregator_running(runs_dir)

    assert not aggregator_running(runs_dir)
    AggregatorLock(runs_dir).release()


@pytest.mark.process
def test_examining_does_not_free_the_lock(runs_dir, python):
    """An aggregator that examines its own directory keeps its lock."""
    program = "import sys; from pathlib import Path; "
    program += "from esper_bus.host.aggregator_lock import aggregator_running; "
    program += "print(aggregator_running(Path(sys.argv[1])))"
    with AggregatorLock(runs_dir):
        aggregator_running(runs_dir)
        local_runs_dirs()

        assert python(program, runs_dir).communicate(timeout=30)[0] == "True\n"


def test_a_missing_directory_has_no_aggregator(tmp_path):
    """A directory that does not exist has no aggregator."""
    assert not aggregator_running(tmp_path / "nothing")


def test_a_directory_that_cannot_be_written_is_an_error(tmp_path):
    """The error says what to do."""
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="choose another runs directory"):
        AggregatorLock(tmp_path / "file")


def test_live_aggregators_are_found(tmp_path):
    """They are listed newest first, without those that have ended."""
    dirs = [tmp_path / name for name in ("a", "b", "c")]
    locks = [AggregatorLock(directory) for directory in dirs]
    for index, directory in enumerate(dirs):
        os.utime(runtime_dir(directory) / "runs_dir", (index, index))
    locks[1].release()

    assert local_runs_dirs() == [dirs[2], dirs[0]]

    for lock in locks:
        lock.release()

    assert local_runs_dirs() == []
