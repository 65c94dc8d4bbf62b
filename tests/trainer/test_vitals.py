"""What the process uses of its machine, read from the machine."""

import mmap

import torch

from esper_trainer.vitals import Vitals, resident_bytes


def test_a_process_with_torch_uses_real_memory():
    """More than 50 MB, less than a terabyte; and more after taking more, from the system and no free list."""
    before, size = resident_bytes(), 64 * 1024 * 1024
    with mmap.mmap(-1, size) as block:
        block.write(b"1" * size)
        after = resident_bytes()

    assert 50e6 < before < 1e12
    assert after - before > 0.9 * size


def test_shares_of_the_processor_are_shares():
    """Between 0 and 1; a busy loop is not idle. No GPU, no GPU memory."""
    vitals = Vitals(torch.device("cpu"))
    sum(range(1_000_000))

    sample = vitals.sample()

    assert 0 < sample.cpu_share <= 1
    assert sample.memory_bytes > 0
    assert sample.gpu_memory_bytes is None
