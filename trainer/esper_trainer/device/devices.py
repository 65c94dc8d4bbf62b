"""The device that a run asks for, and time on it."""

import time

import torch

from esper_schemas.errors import InvalidArgument

_LARGE_BLOCK_BYTES = 31 << 20


def resolve_device(name: str) -> torch.device:
    """The device of that name. Raises `InvalidArgument` if this machine does not have it.

    A CUDA device becomes the current one of this process: streams, events and graphs are those of the
    current device, whatever device the tensors are on.
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


def use_threads(count: int) -> None:
    """Let torch compute with so many threads; more than there are free cores stall each other."""
    torch.set_num_threads(count)


def keep_freed_memory() -> None:
    """Make glibc's malloc reuse freed blocks of up to 31 MiB instead of returning them to the kernel.

    By default malloc maps every block above 128 KiB anew, so that every step pays for the page faults
    again. This threshold is dynamic: it rises to the size of the largest mapped block that was freed, up
    to 32 MiB (mallopt(3), M_MMAP_THRESHOLD). With another allocator this has no effect.
    """
    torch.empty(_LARGE_BLOCK_BYTES, dtype=torch.uint8)


class Stopwatch:
    """Measures a span of work on a device, without waiting for it. It runs from its creation."""

    def __init__(self, device: torch.device) -> None:
        self._cuda = device.type == "cuda"
        self._begin = self._mark()
        self._end = self._begin

    def stop(self) -> "Stopwatch":
        """End the span."""
        self._end = self._mark()
        return self

    @property
    def seconds(self) -> float:
        """How long it took; on CUDA only once the device has come this far."""
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
