"""CPU, memory and GPU usage of the trainer process."""

import os
import resource
import sys
import time
from pathlib import Path

import torch

from esper_schemas.events import VitalsSampled
from esper_trainer.config import available_cores

_STATM = Path("/proc/self/statm")


class ProcessVitals:
    """Samples the present memory usage, and the share of CPU time since the previous sample."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._cores = available_cores()
        self._wall, self._busy = time.perf_counter(), time.process_time()

    def sample(self) -> VitalsSampled:
        """Take a sample."""
        on_gpu = self._device.type == "cuda"
        return VitalsSampled(
            cpu_share=self._cpu_share(),
            memory_bytes=resident_bytes(),
            gpu_share=gpu_share(self._device) if on_gpu else None,
            gpu_memory_bytes=torch.cuda.memory_allocated(self._device) if on_gpu else None,
            gpu_memory_peak_bytes=torch.cuda.max_memory_allocated(self._device) if on_gpu else None,
        )

    def _cpu_share(self) -> float:
        wall, busy = time.perf_counter(), time.process_time()
        used, available = busy - self._busy, (wall - self._wall) * self._cores
        self._wall, self._busy = wall, busy
        return min(1.0, used / available) if available > 0 else 0.0


def gpu_share(device: torch.device) -> float | None:
    """The share of the last sampling period (up to 1 s) in which a kernel ran; None if not available."""
    try:
        return torch.cuda.utilization(device) / 100
    except (
        Exception
    ):  # NVML has an error for each reason: no library of the driver, a part of a GPU, no right
        return None


def resident_bytes() -> int:
    """Resident memory of this process; the peak where /proc is missing."""
    try:
        return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
