"""Tests of file locks that are freed when their process ends."""

import os
import signal

import pytest

from esper_bus.host.file_lock import FileLock, LockHeldError, examine

pytestmark = pytest.mark.process

HOLDER = """
import os, sys, time
from pathlib import Path
from esper_bus.host.file_lock import FileLock

lock = FileLock(Path(sys.argv[1]))
child = os.fork()
if child == 0:
    time.sleep(600)
print(child, flush=True)
time.sleep(600)
"""


@pytest.fixture
def path(tmp_path):
    """A file to be locked, in a directory that does not exist yet."""
    return tmp_path / "new" / "some.lock"


@pytest.fixture
def holder(python, path):
    """A process that holds the lock, and the pid of the process that it forked; both are killed."""
    process = python(HOLDER, path)
    child = int(process.stdout.readline())
    yield process, child
    os.kill(child, signal.SIGKILL)


@pytest.mark.process
def test_a_held_lock_is_refused_and_names_its_process(holder, path):
    """The error contains the pid of the process that holds the lock."""
    process, _ = holder

    with pytest.raises(LockHeldError) as refused:
        FileLock(path)

    assert refused.value.pid == process.pid
    assert examine(path)[:2] == (True, process.pid)
    assert examine(path).of_this_machine


@pytest.mark.process
def test_a_lock_ends_with_its_process_even_if_a_forked_one_lives(holder, path):
    """A worker that outlives its trainer does not hold the lock."""
    process, child = holder
    process.kill()
    process.wait()
    os.kill(child, 0)  # it is alive

    assert examine(path)[:2] == (False, process.pid)
    FileLock(path).release()


def test_a_process_is_refused_its_own_lock(path):
    """The operating system alone would grant it."""
    with FileLock(path), pytest.raises(LockHeldError, match=str(os.getpid())):
        FileLock(path)

    FileLock(path).release()


@pytest.mark.process
def test_examining_a_lock_does_not_free_it(path, python):
    """In the process that holds it, closing any descriptor of the file would free it."""
    program = "import sys; from pathlib import Path; from esper_bus.host.file_lock import examine; "
    program += "print(examine(Path(sys.argv[1])).held)"
    with FileLock(path):
        own = examine(path).held
        others = python(program, path).communicate(timeout=30)[0]

    assert (own, others) == (True, "True\n")
    assert not examine(path).held


@pytest.mark.process
def test_a_deleted_lock_is_restored(path, python):
    """Other processes are refused again, until it is released."""
    program = "import sys; from pathlib import Path; from esper_bus.host.file_lock import FileLock; "
    program += "FileLock(Path(sys.argv[1])); print('locked')"
    lock = FileLock(path)
    path.unlink()
    path.parent.rmdir()
    lock.restore()
    lock.restore()

    assert python(program, path).communicate(timeout=30)[0] == ""
    lock.release()
    assert python(program, path).communicate(timeout=30)[0] == "locked\n"


@pytest.mark.parametrize("remove", [True, False])
def test_a_released_lock_is_removed_on_request_only(path, remove):
    """Releasing it again does not affect the next holder."""
    lock = FileLock(path)
    lock.release(remove=remove)
    exists = path.exists()
    with FileLock(path):
        lock.release(remove=True)

    assert exists is not remove
    assert path.exists()


def test_the_machine_of_a_holder_is_known(path):
    """`of_this_machine` is False for a lock file that another machine wrote."""
    FileLock(path).release()
    here = examine(path).of_this_machine
    path.write_text("somewhere-else\nanother-boot")

    assert here
    assert not examine(path).of_this_machine
    assert examine(path).pid is None


def test_a_path_that_cannot_be_opened_is_an_os_error(tmp_path):
    """`FileLock` and `examine` raise it unchanged; callers add what to do about it."""
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError):
        FileLock(tmp_path / "file" / "some.lock")
    with pytest.raises(FileNotFoundError):
        examine(tmp_path / "none.lock")
