"""The device of a run, its number of threads, its allocator and timers."""

import time

import torch

from esper_schemas.errors import InvalidArgument

_LARGE_BLOCK_BYTES = 31 << 20


def resolve_device(name: str) -> torch.device:
    """The device of that name. Raises `InvalidArgument` if this machine does not have it.

    A CUDA device becomes the current device of this process: streams, events and graphs belong to the current
    device, wherever the tensors are.
    """
    try:
        device = torch.device(name)
    except RuntimeError:
        raise InvalidArgument(f"{name!r} is not a device; choose cpu, cuda or cuda:<index>.") from None
    if device.type == "cpu":
        return device
    if not torch.cuda.is_available():
        raise InvalidArgument("This machine has no CUDA device that torch can use; choose --device cpu.")
    index = torch.cuda.current_device() if device.index is None else device.index
    if index >= torch.cuda.device_count():
        raise InvalidArgument(
            f"There is no {name} here, the last device is cuda:{torch.cuda.device_count() - 1}; "
            "choose that, or --device cpu."
        )
    torch.cuda.set_device(index)
    return torch.device("cuda", index)


def set_thread_count(count: int) -> None:
    """Set the number of threads of torch; more threads than idle cores slow each other down."""
    torch.set_num_threads(count)


def raise_mmap_threshold() -> None:
    """Make glibc's malloc reuse freed blocks of up to 31 MiB instead of returning them to the kernel.

    By default malloc maps every block above 128 KiB anew, so that every step pays for the page faults
    again. This threshold is dynamic: it rises to the size of the largest mapped block that was freed, up
    to 32 MiB (mallopt(3), M_MMAP_THRESHOLD). With another allocator this has no effect.
    """
    torch.empty(_LARGE_BLOCK_BYTES, dtype=torch.uint8)


class DeviceTimer:
    """Measures the duration of work on a device without waiting for it; starts when it is created."""

    def __init__(self, device: torch.device) -> None:
        self._cuda = device.type == "cuda"
        self._begin = self._mark()
        self._end = self._begin

    def stop(self) -> "DeviceTimer":
        """Mark the end of the work."""
        self._end = self._mark()
        return self

    @property
    def seconds(self) -> float:
        """The duration; on CUDA it is available only once the device has reached the end."""
        if isinstance(self._begin, float) or isinstance(self._end, float):
            assert isinstance(self._begin, float)
            assert isinstance(self._end, float)
            return self._end - self._begin
        return float(self._begin.elapsed_time(self._end)) / 1000.0

    def _mark(self) -> "float | torch.cuda.Event":
        if not self._cuda:
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record()
        return event
