"""Resuming a run: its newest checkpoint, and its settings with those that may change."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from esper_schemas.errors import InvalidArgument
from esper_schemas.settings import SettingValue, setting_fields
from esper_trainer.config import TrainingConfig
from esper_trainer.ranks.process_group import ALONE, ProcessGroup
from esper_trainer.run.checkpoint_file import CheckpointFiles, TrainingCheckpoint, read
from esper_trainer.run.run_directory import require_run


def last_checkpoint(run_dir: Path, group: ProcessGroup = ALONE) -> TrainingCheckpoint:
    """The newest checkpoint that all processes of a run have.

    Raises `InvalidArgument` if there is none, `StorageError` or `Damaged` if it cannot be read.
    """
    files = CheckpointFiles(run_dir, group.rank)
    update = _newest_of_all(files.updates(), group)
    own = max(files.updates(), default=0)
    lacking = group.smallest(group.world_size if own else group.rank)
    require_run(run_dir)  # not earlier: every process has to take part in the reductions above
    if not own:
        raise InvalidArgument(_without_checkpoint(run_dir, group, lacking))
    checkpoint = read(files.path(update or own))
    if checkpoint.world_size != group.world_size:
        count = checkpoint.world_size
        how = f"with --ranks {count}, or with torchrun" if count > 1 else "without --ranks"
        raise InvalidArgument(f"The run {run_dir.name} was trained by {_processes(count)}; resume it {how}.")
    if lacking < group.world_size:
        raise InvalidArgument(_without_checkpoint(run_dir, group, lacking))
    if not update:
        raise InvalidArgument(
            f"The processes of the run {run_dir.name} have no checkpoint in common; start a new run."
        )
    return checkpoint


def _newest_of_all(updates: list[int], group: ProcessGroup) -> int:
    """The last update after which every process has a checkpoint; 0 if there is none."""
    limit = group.largest(max(updates, default=0))
    while limit:
        own = max((update for update in updates if update <= limit), default=0)
        smallest = group.smallest(own)
        if smallest == limit:
            break
        limit = smallest
    return limit


def _without_checkpoint(run_dir: Path, group: ProcessGroup, rank: int) -> str:
    if group.world_size == 1:
        return f"The run {run_dir.name} has no checkpoint; start a new run."
    return (
        f"The run {run_dir.name} has no checkpoint of rank {rank} in {run_dir / 'checkpoints'}; "
        "copy it from the machine that trained this rank, or start a new run."
    )


def _processes(count: int) -> str:
    return "one process" if count == 1 else f"{count} processes"


def resumed_config(checkpoint: TrainingCheckpoint, given: Mapping[str, SettingValue]) -> TrainingConfig:
    """The settings of a run, with those `given` in place of its checkpoint's.

    Raises `InvalidArgument` for a checkpoint of a newer version, a setting that may
    not change or is not accepted, and where no updates are left.
    """
    settings: dict[str, Any] = {**asdict(TrainingConfig()), **checkpoint.config}
    described = setting_fields(TrainingConfig)
    if unknown := settings.keys() - described.keys():
        raise InvalidArgument(
            f"The checkpoint has settings of a newer Esper ({', '.join(sorted(unknown))}); update Esper."
        )
    for name, value in given.items():
        if value != settings[name] and not described[name].setting.may_change_on_resume:
            raise InvalidArgument(
                f"{name} is {settings[name]} in this run and cannot change to {value} on resume; "
                "omit the setting or start a new run."
            )
    config = TrainingConfig(**{**settings, **given})
    if config.episodes <= checkpoint.update:
        raise InvalidArgument(
            f"The run has completed its {checkpoint.update} episodes; resume it with a larger number."
        )
    return config
