"""A missing device is refused with one sentence; timers measure work on a device."""

import pytest
import torch

from esper_schemas.errors import InvalidArgument
from esper_trainer.device.devices import DeviceTimer, resolve_device
from esper_trainer.ranks.process_group import local_device


def test_the_cpu_is_always_available():
    """ "cpu" resolves to the CPU."""
    assert resolve_device("cpu") == torch.device("cpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_cuda_is_refused_where_it_is_not_available():
    """The message says what to choose instead."""
    with pytest.raises(InvalidArgument, match=r"choose --device cpu\.$"):
        resolve_device("cuda")


def test_an_invalid_device_is_refused():
    """`cpu` can be given, but not `cpu:one`."""
    with pytest.raises(InvalidArgument, match="'cpu:one' is not a device"):
        resolve_device("cpu:one")


@pytest.mark.cuda
@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two CUDA devices")
def test_the_device_of_a_run_is_the_current_one():
    """CUDA events and graphs belong to the current device, wherever the tensors are."""
    try:
        assert resolve_device("cuda:1") == torch.device("cuda", 1)
        assert torch.cuda.current_device() == 1
    finally:
        torch.cuda.set_device(0)


def test_each_of_several_processes_takes_its_own_device():
    """More processes than devices are refused, and so is one device for all processes."""
    assert [local_device("cuda", number, 2) for number in range(2)] == [0, 1]
    with pytest.raises(InvalidArgument, match=r"more processes than CUDA devices \(2\); start fewer"):
        local_device("cuda", 2, 2)
    with pytest.raises(InvalidArgument, match="need a CUDA device each; choose --device cuda"):
        local_device("cuda:0", 0, 2)


def test_a_timer_runs_until_it_is_stopped():
    """Its duration does not change after that."""
    timer = DeviceTimer(torch.device("cpu"))
    sum(range(10_000))
    timer.stop()

    assert 0 < timer.seconds < 10
    assert timer.seconds == timer.seconds
