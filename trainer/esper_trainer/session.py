"""One training, recorded: the run directory, the telemetry and the checkpoints around the runner."""

from functools import partial
from pathlib import Path
from typing import NamedTuple

from esper_bus.names import check_name
from esper_lite import EmitterReport, connect
from esper_schemas.errors import EsperError, InvalidArgument
from esper_trainer.config import TrainingConfig
from esper_trainer.device.devices import resolve_device
from esper_trainer.ranks.process_group import ALONE, ProcessGroup
from esper_trainer.request import TrainingRequest
from esper_trainer.run.checkpoint_file import CheckpointFiles, TrainingCheckpoint
from esper_trainer.run.checkpoint_writer import CheckpointWriter
from esper_trainer.run.progress_report import TrainingSummary
from esper_trainer.run.resume import last_checkpoint, resumed_config
from esper_trainer.run.run_directory import create_run_dir, lock_training
from esper_trainer.run.training_failure import record_failure
from esper_trainer.runner import OnUpdate, Trainer
from esper_trainer.telemetry.profiler import Profiler, prepare


class ReportedElsewhereError(EsperError):
    """Raised where another process of the run reports why it cannot begin."""


class TrainingPlan(NamedTuple):
    """A training that can begin: everything that could be wrong with it has been looked at.

    start: the checkpoint that it goes on from, None for a new run. profile: where traces go, None for none.
    spool_quota: bytes that a spool may take, None for the default.
    """

    config: TrainingConfig
    run_dir: Path
    start: TrainingCheckpoint | None = None
    profile: Path | None = None
    spool_quota: int | None = None


class RecordedTraining(NamedTuple):
    """How a training went, and what became of its events."""

    summary: TrainingSummary
    events: EmitterReport

    @property
    def lost(self) -> int:
        """Events that neither a spool nor an aggregator's log holds."""
        return self.events.dropped + self.events.held


def plan(request: TrainingRequest, group: ProcessGroup = ALONE) -> TrainingPlan:
    """What was asked for; makes the directory of a new run. Either all processes go on, or none.

    Raises `EsperError` where the training cannot begin, and leaves nothing behind then.
    """
    planned, problem = None, None
    try:
        planned = _resumed(request, group) if request.resume else _new(request, group)
    except EsperError as error:
        problem = error
    speaker = group.smallest(group.world_size if problem is None else group.rank)
    if planned is not None and speaker == group.world_size:
        return planned
    if problem is None or group.rank != speaker:
        raise ReportedElsewhereError("Another process of this run cannot begin; it says why.")
    raise problem


def _new(request: TrainingRequest, group: ProcessGroup) -> TrainingPlan:
    config = request.config()
    resolve_device(config.device)
    group.local_environments(config)
    if group.world_size > 1 and not request.name:
        raise InvalidArgument("Processes that train together need a --name for their run; choose one.")
    if request.profile_dir is not None:
        prepare(request.profile_dir)  # before there is a run
    run_dir = create_run_dir(request.runs_dir, request.run_name())
    return TrainingPlan(config, run_dir, profile=request.traces_dir(run_dir), spool_quota=request.spool_quota)


def _resumed(request: TrainingRequest, group: ProcessGroup) -> TrainingPlan:
    run_dir = request.runs_dir / check_name("run", request.run_name())
    start = last_checkpoint(run_dir, group)
    config = resumed_config(start, request.settings)
    resolve_device(config.device)
    return TrainingPlan(config, run_dir, start, request.traces_dir(run_dir), request.spool_quota)


def record_training(
    plan: TrainingPlan,
    aggregator: bool | str | None,
    on_update: OnUpdate | None = None,
    *,
    keys: Path | None = None,
    group: ProcessGroup = ALONE,
) -> RecordedTraining:
    """Train, and record it; `aggregator` and `keys` are those of `esper_lite.connect`.

    Raises `TrainingFailedError` for what breaks during the training, `RankLostError` where other processes
    are gone, and another `EsperError` where the training cannot begin.
    """
    config, run_dir, start, profile, quota = plan
    connected = partial(
        connect,
        run_dir.name,
        runs_dir=run_dir.parent,
        aggregator=aggregator,
        keys=keys,
        rank=group.rank,
        world_size=group.world_size,
        resume=start is not None,
        spool_quota=quota,
    )
    with lock_training(run_dir, group.rank):
        try:
            trainer = Trainer(
                config,
                connected,
                on_update,
                checkpoints=CheckpointWriter(CheckpointFiles(run_dir, group.rank), config.checkpoint_every),
                start=start,
                group=group,
                profiler=Profiler(profile, group.rank),
            )
            return RecordedTraining(trainer.run(), trainer.recorded)
        except EsperError:
            raise
        except Exception as error:
            raise record_failure(run_dir, error) from error
