"""Tests of the fast tier must not start processes, and property tests have no deadline."""

import sys

import pytest
from hypothesis import HealthCheck, settings

STARTS_A_PROCESS = {"os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "subprocess.Popen"}

settings.register_profile("loaded", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("loaded")


class _Running:
    """`unmarked` is the ID of the running test, if it must not start a process."""

    unmarked = None


def _refuse_processes(event, _):
    if event in STARTS_A_PROCESS and _Running.unmarked:
        raise RuntimeError(f"{_Running.unmarked} starts a process and is not marked with pytest.mark.process")


sys.addaudithook(_refuse_processes)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item, nextitem):
    """Let a test that starts a process fail, unless tests marked with `process` are selected."""
    _Running.unmarked = item.nodeid if "not process" in item.config.option.markexpr else None
    try:
        return (yield)
    finally:
        _Running.unmarked = None
