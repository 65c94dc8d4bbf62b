"""Several processes that train one policy: what they sum, and what they decide together.

Each plays environments of its own. What decides anything (gradients, counts, moments, stops) is summed
over all of them first, so that every process decides the same without asking again.
"""

import os

import torch
import torch.distributed as dist
from torch import Tensor

from esper_trainer.config import ConfigError, TrainingConfig

BACKENDS = "cpu:gloo,cuda:nccl"


class Group:
    """The processes of a run. Alone, which is the default, every sum is the value itself."""

    def __init__(self, rank: int = 0, world_size: int = 1) -> None:
        self.rank, self.world_size = rank, world_size

    def sum_(self, tensor: Tensor) -> Tensor:
        """Replace a tensor by its sum over all processes, in place, on its device."""
        if self.world_size > 1:
            dist.all_reduce(tensor)
        return tensor

    def largest(self, number: int) -> int:
        """The largest of all processes' numbers; waits for them, on the host."""
        if self.world_size == 1:
            return number
        value = torch.tensor(number)
        dist.all_reduce(value, dist.ReduceOp.MAX)
        return int(value)

    def any(self, flag: bool) -> bool:
        """Whether the flag is set in any process; waits for them, on the host."""
        return bool(self.largest(int(flag)))

    def share(self, config: TrainingConfig) -> int:
        """How many of the run's environments are this process's. Raises `ConfigError` for no equal parts."""
        parts = self.world_size * config.minibatches
        if config.environments % parts:
            raise ConfigError(
                f"{config.environments} environments cannot be cut into {config.minibatches} equal "
                f"minibatches on each of {self.world_size} processes; choose a multiple of {parts}."
            )
        return config.environments // self.world_size

    def leave(self) -> None:
        """Let go of the other processes."""
        if self.world_size > 1:
            dist.destroy_process_group()


ALONE = Group()


def join_group(device: str) -> Group:
    """The group that `torchrun` describes in the environment, or a group of one.

    On CUDA each process of a machine takes the device of its number there. Raises `ConfigError` if
    the group cannot be joined.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) <= 1:
        return ALONE
    on_cuda = device.startswith("cuda") and torch.cuda.is_available()
    if on_cuda:
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())
    try:
        dist.init_process_group(BACKENDS if on_cuda else "gloo")
    except (RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(
            f"The other processes cannot be met ({reason}); start them with torchrun."
        ) from error
    return Group(dist.get_rank(), dist.get_world_size())
