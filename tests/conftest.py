"""Tests of the fast tier must not start processes, and property tests have no deadline."""

import os
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


def pytest_collection_modifyitems(config, items):
    """Leave out half of the `staggered` tests, another one every day, where $ESPER_STAGGER_DAY is set."""
    day = os.environ.get("ESPER_STAGGER_DAY")
    if day is not None:
        staggered = [item for item in items if item.get_closest_marker("staggered")]
        left_out = set(staggered[int(day) % 2 :: 2])
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=list(left_out))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item, nextitem):
    """Let a test that starts a process fail, unless tests marked with `process` are selected."""
    _Running.unmarked = item.nodeid if "not process" in item.config.option.markexpr else None
    try:
        return (yield)
    finally:
        _Running.unmarked = None
