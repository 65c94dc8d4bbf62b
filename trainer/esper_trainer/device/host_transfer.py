"""Copies from the device to the host that nobody waits for."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

SLOTS = 2
"""One copy may be on its way while the one before it is read."""


class HostCopy:
    """Some tensors on their way to the host, in one copy, as float32.

    On CUDA the copy goes to pinned memory and an event marks its end; the host asks the event and need
    not wait for the device. On the CPU there is nothing to wait for.
    """

    def __init__(self, tensors: Sequence[Tensor], mailbox: "Mailbox | None" = None) -> None:
        self._shapes = [tensor.shape for tensor in tensors]
        packed = pack(tensors)
        self._copy = (mailbox or Mailbox(1)).slot(packed)
        self._copy.copy_(packed, non_blocking=True)
        self._done = torch.cuda.Event() if packed.is_cuda else None  # type: ignore[no-untyped-call]
        if self._done is not None:
            self._done.record()

    def ready(self) -> bool:
        """Whether `wait` returns at once."""
        return self._done is None or bool(self._done.query())  # type: ignore[no-untyped-call]

    def wait(self) -> list[Tensor]:
        """The tensors, on the host; views of memory that a mailbox uses again."""
        if self._done is not None:
            self._done.synchronize()
        return unpack(self._copy, self._shapes)


class Mailbox:
    """Memory on the host for copies that come again and again: allocated once, pinned, used in turn.

    A copy has to be read before as many others as there are slots were sent after it.
    """

    def __init__(self, slots: int = SLOTS) -> None:
        self._slots = [torch.empty(0)] * slots
        self._next = 0

    def send(self, tensors: Sequence[Tensor]) -> HostCopy:
        """Begin to copy tensors into the next slot."""
        return HostCopy(tensors, self)

    def slot(self, packed: Tensor) -> Tensor:
        """The next slot, as long as a vector; a new one only where it has become too small."""
        index, self._next = self._next, (self._next + 1) % len(self._slots)
        if self._slots[index].numel() < packed.numel():
            self._slots[index] = torch.empty_like(packed, device="cpu", pin_memory=packed.is_cuda)
        return self._slots[index][: packed.numel()]


def pack(tensors: Iterable[Tensor]) -> Tensor:
    """All elements as float32, one tensor after the other."""
    return torch.cat([tensor.reshape(-1) for tensor in tensors]).float()


def unpack(vector: Tensor, shapes: Sequence[torch.Size]) -> list[Tensor]:
    """Views of a packed vector in the shapes that the tensors had."""
    parts = torch.split(vector, [shape.numel() for shape in shapes])
    return [part.view(shape) for part, shape in zip(parts, shapes, strict=True)]
