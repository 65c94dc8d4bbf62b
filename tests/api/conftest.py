"""Fixtures of the tests of the bus, and functions that connect to runs and read their events."""

import pytest
from tests.bus.conftest import aggregator, endpoints, episode, python, runs_dir, runtime, until

import esper_lite
from esper_bus.store.run_reader import read_records

__all__ = ["aggregator", "endpoints", "episode", "python", "runs_dir", "runtime", "until"]


@pytest.fixture
def connect(runs_dir):
    """Connects to a run without an aggregator; the writer threads end with the test."""
    started = []

    def start(run="cartpole", **options):
        started.append(esper_lite.connect(run, **{"runs_dir": runs_dir, "aggregator": False, **options}))
        return started[-1]

    yield start
    for telemetry in started:
        telemetry.close(timeout=0)


@pytest.fixture
def events(runs_dir):
    """Reads the events of a run."""

    def read(run="cartpole"):
        return [record.event for record in read_records(runs_dir / run)]

    return read
