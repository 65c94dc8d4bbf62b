"""Helpers for every test of the trainer."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

# Operators that make the host wait for a CUDA stream, or give a tensor a shape that depends on data.
READS = {
    "_local_scalar_dense",
    "_unique",
    "_unique2",
    "bincount",
    "equal",
    "is_nonzero",
    "item",
    "masked_select",
    "nonzero",
    "unique_consecutive",
    "unique_dim",
}
# These copy to the host without an operator that a dispatch mode would see on a CPU.
COPIES = {torch.Tensor.tolist, torch.Tensor.numpy, torch.Tensor.cpu, torch.Tensor.__array__}
INDEXING = {"index", "index_put", "index_put_", "_unsafe_index", "_unsafe_index_put"}


class _ForbidReads(TorchDispatchMode):
    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func._schema.name.removeprefix("aten::")
        assert name not in READS, f"{name} reads a tensor on the host"
        if name in INDEXING:
            masks = [i for i in args[1] if i is not None and i.dtype in (torch.bool, torch.uint8)]
            assert not masks, f"{name} with a mask reads the mask on the host"
        return func(*args, **(kwargs or {}))


class _ForbidCopies(TorchFunctionMode):
    def __torch_function__(self, func, types, args=(), kwargs=None):
        assert func not in COPIES, f"{func.__name__} copies a tensor to the host"
        return func(*args, **(kwargs or {}))


@contextmanager
def _no_host_reads() -> Iterator[None]:
    with _ForbidCopies(), _ForbidReads():
        yield


@pytest.fixture
def no_host_reads() -> Callable[[], AbstractContextManager[None]]:
    """A context in which reading a tensor on the host raises an AssertionError that names the read."""
    return _no_host_reads


@contextmanager
def _no_waiting() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch calls this mode a prototype
        try:
            torch.cuda.set_sync_debug_mode("error")
            yield
        finally:
            torch.cuda.set_sync_debug_mode("default")


@pytest.fixture
def no_waiting() -> Callable[[], AbstractContextManager[None]]:
    """A context in which waiting for the CUDA device is an error."""
    return _no_waiting


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """The trainer's tests run on one thread, so that they can run in parallel with others."""
    torch.set_num_threads(1)
