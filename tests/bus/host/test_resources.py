"""Tests of the limit of open files."""

import pytest

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
