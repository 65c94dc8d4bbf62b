"""One training, recorded: the emitter and the checkpoints around the runner."""

import argparse
from pathlib import Path
from typing import NamedTuple

from esper_bus.emitter import Emitter, EmitterReport
from esper_bus.keys import ClientKeys
from esper_bus.names import check_name
from esper_trainer.checkpoint import Checkpoint, CheckpointFiles
from esper_trainer.checkpointing import Checkpointer
from esper_trainer.config import TrainingConfig
from esper_trainer.device import resolve_device
from esper_trainer.options import config_from, given_settings, run_name
from esper_trainer.progress import TrainingSummary
from esper_trainer.resuming import last_checkpoint, resumed_config
from esper_trainer.run_directory import TrainingLock, new_run_dir
from esper_trainer.runner import OnUpdate, Trainer


class Plan(NamedTuple):
    """A training that can begin: everything that could be wrong with it has been looked at.

    start: the checkpoint that it goes on from, None for a new run.
    """

    config: TrainingConfig
    run_dir: Path
    start: Checkpoint | None = None


class Recorded(NamedTuple):
    """How a training went, and what became of its events."""

    summary: TrainingSummary
    events: EmitterReport

    @property
    def lost(self) -> int:
        """Events that neither a spool nor an aggregator's log holds."""
        kept = self.events.emitted - self.events.dropped
        return self.events.dropped + max(0, kept - max(self.events.spooled, self.events.acknowledged))


def plan(arguments: argparse.Namespace) -> Plan:
    """What was asked for; makes the directory of a new run.

    Raises `ConfigError` or `BusError` for what cannot be, and then leaves nothing behind.
    """
    if arguments.resume:
        run_dir = arguments.runs_dir / check_name("run", arguments.resume)
        start = last_checkpoint(run_dir)
        config = resumed_config(start, given_settings(arguments))
        resolve_device(config.device)
        return Plan(config, run_dir, start)
    config = config_from(arguments)
    resolve_device(config.device)
    return Plan(config, new_run_dir(arguments.runs_dir, run_name(arguments)))


def record_training(
    plan: Plan, ingest: str | None, on_update: OnUpdate | None = None, keys: ClientKeys | None = None
) -> Recorded:
    """Train, and record it; `ingest` is the aggregator's address, None for no aggregator."""
    config, run_dir, start = plan
    with TrainingLock(run_dir, 0):
        emitter = Emitter(run_dir.name, "trainer:0", run_dir, ingest, keys=keys)
        checkpoints = Checkpointer(CheckpointFiles(run_dir), config.checkpoint_every)
        try:
            summary = Trainer(config, emitter, on_update, checkpoints=checkpoints, start=start).run()
        finally:
            report = emitter.close()
    return Recorded(summary, report)
