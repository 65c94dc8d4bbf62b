"""Open files and memory of this process, and the limit of open files."""

import os
import resource

import pytest

from esper_bus.host import resources
from esper_bus.host.resources import ENOUGH_FILES, files_left, memory_bytes, raise_fd_limit, reserved_files

LOW = """
import resource
from esper_bus.host.resources import raise_fd_limit
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (64, min(hard, 1000) if hard != resource.RLIM_INFINITY else 1000))
print(raise_fd_limit(), *resource.getrlimit(resource.RLIMIT_NOFILE), raise_fd_limit())
"""


@pytest.mark.process
def test_the_limit_of_open_files_is_raised_to_the_maximum(python):
    """The soft limit becomes the hard one; a second call changes nothing."""
    assert python(LOW).stdout.read().split() == ["1000"] * 4


@pytest.fixture
def limit(monkeypatch):
    """Sets what the system says of the limit of open files; returns the limits that are set."""
    set_limits = []

    def say(soft, hard):
        monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, hard))
        monkeypatch.setattr(resource, "setrlimit", lambda _, limits: set_limits.append(limits))
        return set_limits

    return say


@pytest.mark.parametrize(
    ("soft", "hard", "result"),
    [
        (1024, 4096, 4096),
        (1024, 10**6, ENOUGH_FILES),
        (1024, resource.RLIM_INFINITY, ENOUGH_FILES),
        (4096, 4096, 4096),
        (resource.RLIM_INFINITY, resource.RLIM_INFINITY, resource.RLIM_INFINITY),
    ],
)
def test_the_soft_limit_becomes_what_the_hard_one_allows(limit, soft, hard, result):
    """It is set only if that changes it."""
    changes = limit(soft, hard)

    assert raise_fd_limit() == result
    assert changes == ([] if result == soft else [(result, hard)])


def test_open_files_are_subtracted_from_the_limit():
    """A file that is opened leaves one fewer."""
    before = files_left()
    descriptor = os.open("/dev/null", os.O_RDONLY)
    after = files_left()
    os.close(descriptor)

    assert before - after == 1
    assert 0 < reserved_files() < resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def test_memory_is_counted_in_bytes():
    """A Python process has megabytes; what it allocates and fills is added."""
    before = memory_bytes()
    filled = bytearray(os.urandom(1024)) * (64 * 1024)

    assert 2**20 < before < 2**40
    assert memory_bytes() - before > len(filled) // 2


def test_where_the_system_does_not_say_there_is_enough(monkeypatch, tmp_path):
    """No aggregator refuses connections for that."""
    monkeypatch.setattr(resources, "_FDS", tmp_path / "missing")
    monkeypatch.setattr(resources, "_STATM", tmp_path / "missing")

    assert (files_left(), memory_bytes()) == (ENOUGH_FILES, 0)
