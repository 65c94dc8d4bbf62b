"""Asynchronous copies from the device to the host."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

SLOTS = 2
"""One copy may be in flight while the previous one is read."""


class HostCopy:
    """Some tensors on their way to the host, in one copy, as float32.

    On CUDA the copy goes to pinned memory and an event marks its end, so that the host can poll it without
    waiting for the device. On the CPU the copy is complete at once.
    """

    def __init__(self, tensors: Sequence[Tensor], buffers: "HostBuffers | None" = None) -> None:
        self._shapes = [tensor.shape for tensor in tensors]
        packed = pack(tensors)
        self._copy = (buffers or HostBuffers(1)).slot(packed)
        self._copy.copy_(packed, non_blocking=True)
        self._done = torch.cuda.Event() if packed.is_cuda else None  # type: ignore[no-untyped-call]
        if self._done is not None:
            self._done.record()

    def ready(self) -> bool:
        """Whether `wait` returns immediately."""
        return self._done is None or bool(self._done.query())  # type: ignore[no-untyped-call]

    def wait(self) -> list[Tensor]:
        """The tensors on the host, as views of a buffer that is reused."""
        if self._done is not None:
            self._done.synchronize()
        return unpack(self._copy, self._shapes)


class HostBuffers:
    """Host memory for repeated copies: allocated once, pinned, and used in rotation.

    A copy must be read before as many further copies as there are slots have been started.
    """

    def __init__(self, slots: int = SLOTS) -> None:
        self._slots = [torch.empty(0)] * slots
        self._next = 0

    def copy(self, tensors: Sequence[Tensor]) -> HostCopy:
        """Start to copy tensors into the next slot."""
        return HostCopy(tensors, self)

    def slot(self, packed: Tensor) -> Tensor:
        """The next slot, cut to the length of `packed`; it is allocated only when it is too small."""
        index, self._next = self._next, (self._next + 1) % len(self._slots)
        if self._slots[index].numel() < packed.numel():
            self._slots[index] = torch.empty_like(packed, device="cpu", pin_memory=packed.is_cuda)
        return self._slots[index][: packed.numel()]


def pack(tensors: Iterable[Tensor]) -> Tensor:
    """Concatenate all elements into one float32 vector."""
    return torch.cat([tensor.reshape(-1) for tensor in tensors]).float()


def unpack(vector: Tensor, shapes: Sequence[torch.Size]) -> list[Tensor]:
    """Split a packed vector into views with the given shapes."""
    parts = torch.split(vector, [shape.numel() for shape in shapes])
    return [part.view(shape) for part, shape in zip(parts, shapes, strict=True)]
