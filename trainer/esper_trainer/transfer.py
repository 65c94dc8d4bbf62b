"""Copies from the device to the host that nobody waits for."""

from collections.abc import Sequence

import torch
from torch import Tensor

from esper_trainer.packing import pack, unpack


class HostCopy:
    """Some tensors on their way to the host, in one copy, as float32.

    On CUDA the copy goes to pinned memory and an event marks its end; the host asks the event and need
    not wait for the device. On the CPU there is nothing to wait for.
    """

    def __init__(self, tensors: Sequence[Tensor]) -> None:
        self._shapes = [tensor.shape for tensor in tensors]
        packed = pack(tensors)
        self._copy, self._done = packed, None
        if packed.is_cuda:
            self._copy = torch.empty_like(packed, device="cpu", pin_memory=True)
            self._copy.copy_(packed, non_blocking=True)
            self._done = torch.cuda.Event()  # type: ignore[no-untyped-call]
            self._done.record()

    def ready(self) -> bool:
        """Whether `wait` returns at once."""
        return self._done is None or bool(self._done.query())  # type: ignore[no-untyped-call]

    def wait(self) -> list[Tensor]:
        """The tensors, on the host."""
        if self._done is not None:
            self._done.synchronize()
        return unpack(self._copy, self._shapes)
