"""The same directories, events and subprocesses as in the tests of the bus."""

from tests.bus.conftest import aggregator, endpoints, episode, python, runs_dir, runtime, until

__all__ = ["aggregator", "endpoints", "episode", "python", "runs_dir", "runtime", "until"]
