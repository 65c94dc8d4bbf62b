"""Going on with a run: its last checkpoint, and its settings with the few that may change."""

from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from esper_trainer.checkpoint import Checkpoint, CheckpointError, CheckpointFiles, read
from esper_trainer.config import Setting, TrainingConfig
from esper_trainer.run_directory import is_run

MAY_CHANGE = frozenset({"episodes", "device", "threads", "checkpoint_every"})
"""Settings that a resumed run may be given anew; the others belong to what it has learnt."""


def last_checkpoint(run_dir: Path, rank: int = 0, world_size: int = 1) -> Checkpoint:
    """The newest checkpoint of a run. Raises `CheckpointError` if there is none that can be read."""
    if not is_run(run_dir):
        raise CheckpointError(
            f"There is no run {run_dir.name} in {run_dir.parent}; see what is there with ls."
        )
    files = CheckpointFiles(run_dir, rank)
    updates = files.updates()
    if not updates:
        raise CheckpointError(f"The run {run_dir.name} has no checkpoint to go on from; start a new run.")
    checkpoint = read(files.path(updates[-1]))
    if checkpoint.world_size != world_size:
        raise CheckpointError(
            f"The run {run_dir.name} was trained by {checkpoint.world_size} processes; "
            "resume it with as many."
        )
    return checkpoint


def resumed_config(checkpoint: Checkpoint, given: Mapping[str, Setting]) -> TrainingConfig:
    """The settings of a run with those `given` anew.

    Raises `CheckpointError` if one may not change or nothing is left to be done, `ConfigError` if one
    cannot work.
    """
    settings: dict[str, Any] = {**asdict(TrainingConfig()), **checkpoint.config}
    unknown = settings.keys() - {field.name for field in fields(TrainingConfig)}
    if unknown:
        raise CheckpointError(
            f"The checkpoint has settings of a newer Esper ({', '.join(sorted(unknown))}); update."
        )
    for name, value in given.items():
        if name not in MAY_CHANGE and value != settings[name]:
            raise CheckpointError(
                f"The run was trained with {name} {settings[name]}, not {value}; "
                "leave that option out, or start a new run."
            )
    config = TrainingConfig(**{**settings, **given})
    if config.episodes <= checkpoint.update:
        raise CheckpointError(
            f"The run has made all its {checkpoint.update} updates; go on with more --episodes."
        )
    return config
