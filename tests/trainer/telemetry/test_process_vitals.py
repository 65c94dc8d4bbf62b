"""The resources that a process uses, as the operating system and the driver report them."""

import mmap
import time

import pytest
import torch

from esper_trainer.telemetry.process_vitals import ProcessVitals, resident_bytes


def test_a_process_with_torch_uses_real_memory():
    """It is more than 50 MB and less than a terabyte, and grows by a mapped block."""
    before, size = resident_bytes(), 64 * 1024 * 1024
    with mmap.mmap(-1, size) as block:
        block.write(b"1" * size)
        after = resident_bytes()

    assert 50e6 < before < 1e12
    assert after - before > 0.9 * size


def test_the_cpu_share_is_between_0_and_1():
    """A busy loop is not idle. Without a GPU there are no numbers of a GPU."""
    vitals = ProcessVitals(torch.device("cpu"))
    sum(range(1_000_000))

    sample = vitals.sample()

    assert 0 < sample.cpu_share <= 1
    assert sample.memory_bytes > 0
    assert (sample.gpu_share, sample.gpu_memory_bytes) == (None, None)


@pytest.mark.skipif(torch.cuda.is_available(), reason="the driver reports the GPU")
def test_a_gpu_that_the_driver_does_not_report_costs_one_number():
    """Without the driver's library, or on a part of a GPU, all other numbers are sampled."""
    sample = ProcessVitals(torch.device("cuda")).sample()

    assert sample.gpu_share is None
    assert sample.memory_bytes > 0


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_that_computes_is_busy():
    """The driver averages over a second or less."""
    device = torch.device("cuda")
    vitals, matrix = ProcessVitals(device), torch.randn(4096, 4096, device=device)
    shares, deadline = [0.0], time.monotonic() + 10
    while not max(shares) and time.monotonic() < deadline:
        matrix = (matrix @ matrix).tanh()
        torch.cuda.synchronize()
        shares.append(vitals.sample().gpu_share)

    assert 0 < max(shares) <= 1
