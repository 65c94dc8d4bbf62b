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
def test_an_aggregator_may_open_as_many_files_as_the_system_grants(python):
    """The soft limit becomes the hard one; asking again changes nothing."""
    assert python(LOW).stdout.read().split() == ["1000"] * 4
