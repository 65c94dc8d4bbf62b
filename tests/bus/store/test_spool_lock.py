"""The lock of a spool tells whether its trainer is still running."""

import pytest

from esper_bus.store.spool_lock import is_dead, lock_spool

HOLD = """
import sys
from pathlib import Path
from esper_bus.store.spool_lock import lock_spool
lock = lock_spool(Path(sys.argv[1]))
print("locked", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def spool(tmp_path):
    """The first file of a spool."""
    return tmp_path / "host-0.0.mcap"


@pytest.fixture
def lock_file(spool):
    """The file that is locked: not the spool, whose descriptors may be closed at any time."""
    return spool.with_suffix(".lock")


def test_a_spool_is_alive_while_its_lock_is_held(spool, lock_file):
    """Also for the process that holds it, whose own checks must not free it."""
    lock = lock_spool(spool)

    assert lock_file.exists()
    assert not is_dead(lock_file)
    lock.release()
    assert is_dead(lock_file)


@pytest.mark.process
def test_a_killed_trainer_leaves_a_dead_lock(spool, lock_file, python):
    """The system frees the lock with the process; the file remains as the sign."""
    trainer = python(HOLD, spool)

    assert trainer.stdout.readline() == "locked\n"
    assert not is_dead(lock_file)
    trainer.kill()
    trainer.wait()
    assert is_dead(lock_file)


def test_a_spool_without_a_lock_is_not_dead(lock_file):
    """Nothing is known about its trainer."""
    assert not is_dead(lock_file)


def test_a_lock_of_another_machine_is_not_dead(lock_file):
    """It looks free here although its trainer may be running there."""
    lock_file.write_text("1\nanother-machine\n00000000-0000-0000-0000-000000000000")

    assert not is_dead(lock_file)


def test_a_lock_that_cannot_be_made_leaves_no_file(spool):
    """The caller receives an `OSError`."""
    spool.parent.joinpath("file").touch()

    with pytest.raises(OSError, match=r"File exists|Not a directory"):
        lock_spool(spool.parent / "file" / spool.name)

    assert [path.name for path in spool.parent.iterdir()] == ["file"]
