"""The process group of a run: its collective operations, and joining it.

Each process collects rollouts in its own environments. Everything that decides how training continues
(gradients, counts, moments, stops) is reduced over all processes first, so that all of them take the same
decisions.
"""

import os
import re
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous

from esper_schemas.errors import InvalidArgument, Unreachable
from esper_trainer.config import TrainingConfig
from esper_trainer.ranks.lost_ranks import find_missing_ranks, rank_lost_error
from esper_trainer.ranks.rank_launcher import RENDEZVOUS
from esper_trainer.request import PATIENCE_S

BACKENDS = "cpu:gloo,cuda:nccl"
_SOURCE_LOCATION = re.compile(r"\[[^\]]*\.cc:\d+\] ")


class ProcessGroup:
    """The processes of a run; in a group of one, the default, every reduction returns its argument.

    Each collective operation raises `RankLostError` if another process is gone. store: where the remaining
    processes find the missing ones. patience_s: seconds without a response before a process counts as lost.
    """

    def __init__(
        self,
        rank: int = 0,
        world_size: int = 1,
        store: Store | None = None,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self.rank, self.world_size = rank, world_size
        self._store, self._patience_s, self._broken = store, patience_s, False

    def sum_(self, tensor: Tensor) -> Tensor:
        """Sum a tensor over all processes, in place, on its device."""
        if self.world_size > 1:
            self._reduce(tensor, dist.ReduceOp.SUM)
        return tensor

    def largest(self, number: int) -> int:
        """The maximum over all processes; blocks on the host."""
        if self.world_size == 1:
            return number
        value = torch.tensor(number)
        self._reduce(value, dist.ReduceOp.MAX)
        return int(value)

    def smallest(self, number: int) -> int:
        """The minimum over all processes; blocks on the host."""
        return -self.largest(-number)

    def any(self, flag: bool) -> bool:
        """Whether the flag is set in any process; blocks on the host."""
        return bool(self.largest(int(flag)))

    def local_environments(self, config: TrainingConfig) -> int:
        """The number of environments of this process. Raises `InvalidArgument` if they cannot be divided
        equally."""
        return config.share(self.world_size)

    def close(self) -> None:
        """Leave the group."""
        if self.world_size > 1 and not self._broken:
            dist.destroy_process_group()

    def _reduce(self, tensor: Tensor, operation: dist.ReduceOp.RedOpType) -> None:
        try:
            dist.all_reduce(tensor, operation)
        except RuntimeError as error:
            self._broken = True
            assert self._store is not None
            silent_s = self._patience_s if "timed out" in str(error).lower() else None
            missing = find_missing_ranks(self._store, self.rank, self.world_size)
            raise rank_lost_error(missing, self.rank, self.world_size, silent_s) from error


ALONE = ProcessGroup()


def join_group(device: str, patience_s: float = PATIENCE_S) -> ProcessGroup:
    """Join the group that `torchrun` or `train_with_ranks` describes in the environment, or a group of
    one.

    On CUDA each process of a machine takes the device with its local rank. Raises `Unreachable` if the group
    cannot be joined.
    """
    rank, world_size = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    if world_size <= 1:
        return ALONE
    on_cuda = device.startswith("cuda") and torch.cuda.is_available()
    if on_cuda:
        local_rank = int(os.environ.get("LOCAL_RANK", "0"))
        torch.cuda.set_device(local_device(device, local_rank, torch.cuda.device_count()))
    patience = timedelta(seconds=patience_s)
    try:
        where = os.environ.get(RENDEZVOUS, "env://")
        store, _, _ = next(rendezvous(where, rank, world_size, timeout=patience))
        dist.init_process_group(
            BACKENDS if on_cuda else "gloo",
            store=PrefixStore("group", store), rank=rank, world_size=world_size, timeout=patience,
        )  # fmt: skip
    except (RuntimeError, ValueError) as error:
        reason = _SOURCE_LOCATION.sub("", str(error).splitlines()[0])
        raise Unreachable(
            f"Cannot connect to the other processes ({reason}); start all of them with torchrun, and if a "
            "host name resolves to a loopback address set GLOO_SOCKET_IFNAME to the network interface."
        ) from error
    return ProcessGroup(rank, world_size, PrefixStore("lost-ranks", store), patience_s)


def local_device(device: str, local_rank: int, count: int) -> int:
    """The index of the CUDA device of a local rank, on a machine with `count` devices.

    Raises `InvalidArgument` if one device was given for all processes, or if there are too few: NCCL needs
    one per process.
    """
    if ":" in device:
        raise InvalidArgument("Several processes need a CUDA device each; choose --device cuda.")
    if local_rank >= count:
        raise InvalidArgument(
            f"There are more processes than CUDA devices ({count}); start fewer, or choose --device cpu."
        )
    return local_rank
