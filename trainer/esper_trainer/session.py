"""A recorded training: run directory, lock, telemetry and checkpoints around the runner."""

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
from esper_trainer.telemetry.profiler import Profiler, prepare_profile_dir


class ReportedElsewhereError(EsperError):
    """Raised where another process of the run reports why it cannot start."""


class TrainingPlan(NamedTuple):
    """A training that can start: its settings and directories have been checked.

    start: the checkpoint to resume from, None for a new run. profile: the directory for traces, None for
    none. spool_quota: maximum bytes of a spool, None for the default. thresholds: the text of the bounds by
    which the run is judged, empty for those of the catalogue.
    """

    config: TrainingConfig
    run_dir: Path
    start: TrainingCheckpoint | None = None
    profile: Path | None = None
    spool_quota: int | None = None
    thresholds: str = ""


class RecordedTraining(NamedTuple):
    """The result of a training, and the statistics of its emitter."""

    summary: TrainingSummary
    events: EmitterReport

    @property
    def lost(self) -> int:
        """Events that are neither in a spool nor in an aggregator's log."""
        return self.events.dropped + self.events.held


def plan(request: TrainingRequest, group: ProcessGroup = ALONE) -> TrainingPlan:
    """Check a request, and create the directory of a new run. Either all processes proceed, or none.

    Raises `EsperError` if the training cannot start; then nothing is left behind.
    """
    planned, problem = None, None
    try:
        planned = _resumed(request, group) if request.resume else _new(request, group)
    except EsperError as error:
        problem = error
    reporter = group.smallest(group.world_size if problem is None else group.rank)
    if planned is not None and reporter == group.world_size:
        return planned
    if problem is None or group.rank != reporter:
        raise ReportedElsewhereError("Another process of this run cannot start; it reports why.")
    raise problem


def _new(request: TrainingRequest, group: ProcessGroup) -> TrainingPlan:
    config, thresholds = request.config(), request.thresholds_text()
    resolve_device(config.device)
    group.local_environments(config)
    if group.world_size > 1 and not request.name:
        raise InvalidArgument("Processes that train together need a --name for their run; choose one.")
    if request.profile_dir is not None:
        prepare_profile_dir(request.profile_dir)  # an error here must not leave a run behind
    run_dir = create_run_dir(request.runs_dir, request.run_name())
    profile, quota = request.traces_dir(run_dir), request.spool_quota
    return TrainingPlan(config, run_dir, None, profile, quota, thresholds)


def _resumed(request: TrainingRequest, group: ProcessGroup) -> TrainingPlan:
    run_dir = request.runs_dir / check_name("run", request.run_name())
    start = last_checkpoint(run_dir, group)
    config = resumed_config(start, request.settings)
    resolve_device(config.device)
    profile, thresholds = request.traces_dir(run_dir), request.thresholds_text() or start.thresholds
    return TrainingPlan(config, run_dir, start, profile, request.spool_quota, thresholds)


def record_training(
    plan: TrainingPlan,
    aggregator: bool | str | None,
    on_update: OnUpdate | None = None,
    *,
    keys: Path | None = None,
    group: ProcessGroup = ALONE,
) -> RecordedTraining:
    """Train and record; `aggregator` and `keys` as for `esper_lite.connect`.

    Raises `TrainingFailedError` for an error during the training, `RankLostError` if other processes are
    gone, and another `EsperError` if the training cannot start.
    """
    config, run_dir, start, profile, quota, thresholds = plan
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
                thresholds=thresholds,
            )
            return RecordedTraining(trainer.run(), trainer.recorded)
        except EsperError:
            raise
        except Exception as error:
            raise record_failure(run_dir, error) from error
