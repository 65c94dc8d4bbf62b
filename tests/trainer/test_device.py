"""A device that is not there is refused in one sentence; time is measured on the one that is."""

import pytest
import torch

from esper_trainer.config import ConfigError
from esper_trainer.device import Stopwatch, resolve_device


def test_the_cpu_is_always_there():
    """By its name."""
    assert resolve_device("cpu") == torch.device("cpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_cuda_where_there_is_none_is_refused():
    """The sentence says what to choose instead."""
    with pytest.raises(ConfigError, match=r"choose --device cpu\.$"):
        resolve_device("cuda")


def test_a_device_that_cannot_be_is_refused():
    """cpu, but not cpu:one."""
    with pytest.raises(ConfigError, match="'cpu:one' is not a device"):
        resolve_device("cpu:one")


def test_a_stopwatch_runs_until_it_is_stopped():
    """Seconds between two moments, the same however often one looks."""
    watch = Stopwatch(torch.device("cpu"))
    sum(range(10_000))
    watch.stop()

    assert 0 < watch.seconds < 10
    assert watch.seconds == watch.seconds
