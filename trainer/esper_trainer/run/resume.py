"""Going on with a run: its last checkpoint, and its settings with the few that may change."""

from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from esper_schemas.errors import InvalidArgument
from esper_trainer.config import Setting, TrainingConfig
from esper_trainer.ranks.process_group import ALONE, Group
from esper_trainer.run.checkpoint_file import Checkpoint, CheckpointFiles, read
from esper_trainer.run.run_directory import require_run

MAY_CHANGE = frozenset({"episodes", "device", "threads", "checkpoint_every", "telemetry", "capture"})
"""Settings that a resumed run may be given anew; the others belong to what it has learnt."""


def last_checkpoint(run_dir: Path, group: Group = ALONE) -> Checkpoint:
    """The newest checkpoint that all processes of a run have.

    Raises `InvalidArgument` if there is none, `StorageError` or `Damaged` if it cannot be read.
    """
    files = CheckpointFiles(run_dir, group.rank)
    update = _newest_of_all(files.updates(), group)
    own = max(files.updates(), default=0)
    lacking = group.smallest(group.world_size if own else group.rank)
    require_run(run_dir)  # not before: everybody takes part in the sums above
    if not own:
        raise InvalidArgument(_without_checkpoint(run_dir, group, lacking))
    checkpoint = read(files.path(update or own))
    if checkpoint.world_size != group.world_size:
        count = checkpoint.world_size
        with_as_many = (
            f"with --ranks {count}, or by torchrun with as many" if count > 1 else "without --ranks"
        )
        raise InvalidArgument(
            f"The run {run_dir.name} was trained by {_processes(count)}; resume it {with_as_many}."
        )
    if lacking < group.world_size:
        raise InvalidArgument(_without_checkpoint(run_dir, group, lacking))
    if not update:
        raise InvalidArgument(
            f"The processes of the run {run_dir.name} have no checkpoint in common; start a new run."
        )
    return checkpoint


def _newest_of_all(updates: list[int], group: Group) -> int:
    """The last update after which every process has a checkpoint; 0 if there is none."""
    limit = group.largest(max(updates, default=0))
    while limit:
        own = max((update for update in updates if update <= limit), default=0)
        smallest = group.smallest(own)
        if smallest == limit:
            break
        limit = smallest
    return limit


def _without_checkpoint(run_dir: Path, group: Group, rank: int) -> str:
    if group.world_size == 1:
        return f"The run {run_dir.name} has no checkpoint to go on from; start a new run."
    return (
        f"The run {run_dir.name} has no checkpoint of rank {rank} in {run_dir / 'checkpoints'}; "
        "copy it from where that rank was trained, or start a new run."
    )


def _processes(count: int) -> str:
    return "one process" if count == 1 else f"{count} processes"


def resumed_config(checkpoint: Checkpoint, given: Mapping[str, Setting]) -> TrainingConfig:
    """The settings of a run with those `given` anew.

    Raises `InvalidArgument` if one may not change or cannot work, or if no update is left to be made.
    """
    settings: dict[str, Any] = {**asdict(TrainingConfig()), **checkpoint.config}
    unknown = settings.keys() - {field.name for field in fields(TrainingConfig)}
    if unknown:
        raise InvalidArgument(
            f"The checkpoint has settings of a newer Esper ({', '.join(sorted(unknown))}); update."
        )
    for name, value in given.items():
        if name not in MAY_CHANGE and value != settings[name]:
            raise InvalidArgument(
                f"The run was trained with {name} {settings[name]}, not {value}; "
                "leave that option out, or start a new run."
            )
    config = TrainingConfig(**{**settings, **given})
    if config.episodes <= checkpoint.update:
        raise InvalidArgument(
            f"The run has made all its {checkpoint.update} updates; go on with more --episodes."
        )
    return config
