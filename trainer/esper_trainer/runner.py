"""The training loop: rollouts, updates, and the telemetry of both."""

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import NamedTuple, Protocol

import torch
from msgspec import structs
from torch import Tensor

from esper_lite import EmitterReport, Telemetry
from esper_schemas.errors import InvalidArgument
from esper_schemas.events import Event, LogRecorded, RunStarted
from esper_schemas.metrics.metric import TelemetryLevel
from esper_schemas.payload import PPOUpdatePayload
from esper_trainer.config import TrainingConfig
from esper_trainer.device.cuda_graphs import Warn
from esper_trainer.device.devices import DeviceTimer, resolve_device, set_thread_count
from esper_trainer.device.host_transfer import HostBuffers, HostCopy
from esper_trainer.environments.morph.scripted_baselines import run_baseline
from esper_trainer.learner.learner import Learner, LearnerState, environment_seed
from esper_trainer.measure.debug_diagnostics import DebugDiagnostics, WorstTransitions
from esper_trainer.measure.packed_metrics import unpack_final
from esper_trainer.ppo.coefficient_schedules import ScheduledCoefficients, scheduled_coefficients
from esper_trainer.ppo.rollout_buffer import Transitions, kept_transitions
from esper_trainer.ranks.process_group import ALONE, ProcessGroup
from esper_trainer.run.checkpoint_file import TrainingCheckpoint
from esper_trainer.run.checkpoint_writer import CheckpointWriter
from esper_trainer.run.interruption import Interrupted, Interruption
from esper_trainer.run.progress_report import RunOutcome, TrainingSummary, UpdateReport
from esper_trainer.run.training_failure import error_summary
from esper_trainer.telemetry.anomaly_response import AnomalyResponse
from esper_trainer.telemetry.debug_events import diagnostic_events, explosion_events
from esper_trainer.telemetry.episode_summary import EpisodeSummary, episode_summary
from esper_trainer.telemetry.process_vitals import ProcessVitals
from esper_trainer.telemetry.profiler import Profiler
from esper_trainer.telemetry.run_averages import RunAverages, average_over_processes
from esper_trainer.telemetry.training_events import (
    instability_events,
    returns_not_finite,
    run_started,
    update_events,
)

FINAL_EVERY = 4
"""The policy after an update is evaluated once in this many updates, and in each at level DEBUG."""

OnUpdate = Callable[[UpdateReport], None]


class Connect(Protocol):
    """`esper_lite.connect` with every argument except `started` given."""

    def __call__(self, *, started: RunStarted) -> Telemetry:
        """Start to record a run."""


class _Pending(NamedTuple):
    """An update whose numbers are being copied to the host; `rollout` is the one that it learned from."""

    update: int
    level: TelemetryLevel
    rollout: Transitions
    coefficients: ScheduledCoefficients
    copy: HostCopy
    has_final: bool
    rollout_timer: DeviceTimer
    update_timer: DeviceTimer


class Trainer:
    """Trains Tamiyo and records it with `connect`: a new run, or the rest of a run after checkpoint
    `start`.

    Sets torch's number of threads. Raises `InvalidArgument` for a device that is not available or a
    checkpoint that does not fit, before anything is recorded.
    """

    def __init__(
        self,
        config: TrainingConfig,
        connect: Connect,
        on_update: OnUpdate | None = None,
        *,
        checkpoints: CheckpointWriter | None = None,
        start: TrainingCheckpoint | None = None,
        group: ProcessGroup = ALONE,
        profiler: Profiler | None = None,
        thresholds: str = "",
    ) -> None:
        set_thread_count(config.torch_threads)
        self._config, self._connect, self._on_update = config, connect, on_update
        self._telemetry: Telemetry
        self._warnings: list[Event] = []
        self._device = resolve_device(config.device)
        self._interruption = Interruption()
        self._pending: _Pending | None = None
        self._checkpoints, self._start, self._thresholds = checkpoints, start, thresholds
        self._updates = self._completed = start.update if start else 0
        self._anomaly_response = AnomalyResponse(config, thresholds)
        self._anomaly_response.load(start.telemetry if start else {})
        self._first: UpdateReport | None = None
        self._last: UpdateReport | None = None
        self._group, self._environments = group, group.local_environments(config)
        self._learner = _learner(config, self._device, start, group, self._warn)
        self._host_buffers = HostBuffers()
        self._generator_states = self._learner.generator_states()
        self._vitals = ProcessVitals(self._device)
        self._profiler = profiler or Profiler()

    def stop(self, reason: str = "The run was stopped.") -> None:
        """Interrupt the run at its next step; may be called from any thread."""
        self._interruption.request(reason)

    def run(self) -> TrainingSummary:
        """Train to the end, or until a signal or `stop`.

        A failure is recorded in the last event and raised. Raises `EsperError` if nothing can be recorded.
        """
        with self._interruption:
            resumed_from = self._start.update if self._start else None
            started = run_started(
                self._config, self._environments, self._baseline(), resumed_from, self._thresholds
            )
            with self._connect(started=started) as self._telemetry:
                began = time.perf_counter()
                try:
                    outcome, reason = self._train_until_it_ends()
                    self._finish()
                except Exception as error:
                    self._fail(error)
                    raise
                seconds = time.perf_counter() - began
                self._telemetry.close(outcome, reason)
        return self._summary(outcome, seconds)

    @property
    def recorded(self) -> EmitterReport:
        """Statistics of the emitter of a run that has started."""
        return self._telemetry.stats

    def _baseline(self) -> float:
        """The mean return of always choosing WAIT in this process's environments; measured once and stored in
        checkpoints.
        """
        config, start = self._config, self._start
        if start is not None:
            self._baseline_return = start.baseline_return
        else:
            seed = environment_seed(config, self._group)
            baseline = run_baseline("wait", self._environments, config.size, seed, self._device)
            self._baseline_return = baseline.mean_return
        self._run_baseline = self._baseline_return
        return self._baseline_return

    def _train_until_it_ends(self) -> tuple[RunOutcome, str]:
        """Train; return how the training ended, and why it was interrupted."""
        try:
            with self._profiler.begin(self._config.episodes - self._updates):
                self._train()
        except Interrupted as interruption:
            return "interrupted", str(interruption)
        except KeyboardInterrupt:  # possibly during an update, which must not get into a checkpoint
            self._checkpoints = None
            return "interrupted", "The run was interrupted by a second signal."
        return "completed", ""

    def _train(self) -> None:
        for update in range(self._updates + 1, self._config.episodes + 1):
            rollout_timer = DeviceTimer(self._device)
            with self._profiler.region("rollout"):
                collected = self._learner.collector.collect(between_steps=self._between_steps)
            rollout_timer.stop()
            if self._group.world_size > 1:
                self._interruption.check(self._group.any)  # all stop before the same update
            self._emit_update()  # while the policy is still the one after that update
            coefficients = scheduled_coefficients(self._config, update)
            update_timer = DeviceTimer(self._device)
            level = self._anomaly_response.level(update)
            self._learner.ppo.set_coefficients(coefficients)
            with self._profiler.region("update"):
                packed = self._learner.update(level)
            update_timer.stop()
            with self._profiler.region("telemetry"):
                diagnostics = self._diagnose(collected.transitions, level)
                final = (self._learner.measure_final(),) if _measures_final(update, level) else ()
                summary = episode_summary(collected)
                averages = average_over_processes(packed, summary, self._baseline_return, self._group)
                copy = self._host_buffers.copy((packed, averages, *summary, *final, *diagnostics))
            rollout, has_final = kept_transitions(collected.transitions), bool(final)
            self._pending = _Pending(
                update, level, rollout, coefficients, copy, has_final, rollout_timer, update_timer
            )
            self._completed, self._generator_states = update, self._learner.generator_states()
            if self._checkpoints and self._checkpoints.due(update):
                self._emit_update()  # a checkpoint includes the state of the anomaly response after it
                self._save(self._checkpoints)
            self._profiler.update_ended()
            self._between_steps()

    def _between_steps(self) -> None:
        """Emit the last update if its copy has arrived, and check for an interruption."""
        if self._pending and self._pending.copy.ready():
            self._emit_update()
        self._emit_notices()
        if self._group.world_size == 1:
            self._interruption.check()

    def _save(self, checkpoints: CheckpointWriter) -> None:
        """Start to write a checkpoint, with the generators as they were before the rollout in progress."""
        state = LearnerState(self._learner.tensors(), self._generator_states)
        settings, baseline_return = asdict(self._config), self._baseline_return
        checkpoints.save(
            TrainingCheckpoint(
                self._completed,
                settings,
                self._group.rank,
                self._group.world_size,
                baseline_return,
                state,
                self._anomaly_response.state(),
                self._thresholds,
            )
        )

    def _warn(self, message: str) -> None:
        logging.getLogger("esper.trainer").warning(message)
        self._warnings.append(LogRecorded(level="warning", message=message))

    def _emit_notices(self) -> None:
        """Emit warnings, and the events of checkpoints and traces."""
        warnings, self._warnings = self._warnings, []
        saved = self._checkpoints.events() if self._checkpoints else []
        for event in (*warnings, *saved, *self._profiler.events()):
            self._telemetry.emit(event)

    def _emit_update(self) -> None:
        """Emit all events of the pending update."""
        if self._pending is None:
            return
        pending, self._pending = self._pending, None
        update, level, rollout, coefficients, copy, has_final, rollout_timer, update_timer = pending
        packed, averages, *columns = copy.wait()
        size = len(EpisodeSummary._fields)
        summary, final = EpisodeSummary(*columns[:size]), columns[size : size + has_final]
        diagnostics = columns[size + has_final :]
        host_fields = _host_fields(coefficients, rollout_timer, update_timer)
        payload = self._learner.ppo.payload(packed, level, host_fields)
        payload = structs.replace(payload, **(unpack_final(final[0]) if final else {}))
        events = list(update_events(update, summary, payload, self._steps, rollout_timer.seconds))
        events += self._diagnostic_events(update, payload, summary, diagnostics)
        events += self._anomaly_response.after_update(events)
        for event in events:
            self._telemetry.emit(event)
        if not diagnostics and level > TelemetryLevel.OFF:
            self._diagnose_explosion(update, rollout, self._anomaly_response.exploding_heads(update))
        self._telemetry.emit(self._vitals.sample())
        seconds = rollout_timer.seconds + update_timer.seconds
        self._report(update, RunAverages(*averages.tolist()), seconds)

    def _diagnose(self, rollout: Transitions, level: TelemetryLevel) -> DebugDiagnostics | tuple[()]:
        """Additional tensors for DEBUG telemetry, on the device."""
        return self._learner.ppo.diagnose(rollout) if level >= TelemetryLevel.DEBUG else ()

    def _diagnose_explosion(self, update: int, rollout: Transitions, heads: set[str]) -> None:
        """Emit which transitions' ratios exploded in an update in which an explosion began."""
        if heads:
            worst = HostCopy(self._learner.ppo.worst_transitions(rollout)).wait()
            for event in explosion_events(update, WorstTransitions(*worst), heads):
                self._telemetry.emit(event)

    def _diagnostic_events(
        self, update: int, payload: PPOUpdatePayload, summary: EpisodeSummary, diagnostics: list[Tensor]
    ) -> Iterator[Event]:
        """Events besides the payload: instabilities at every level, the others at DEBUG."""
        yield from instability_events(update, payload, returns_not_finite(summary))
        if diagnostics:
            yield from diagnostic_events(
                update, self._learner.ppo.optimiser.layers, DebugDiagnostics(*diagnostics)
            )

    def _report(self, update: int, averages: RunAverages, seconds: float) -> None:
        steps = self._steps * self._group.world_size  # the processes wait for each other
        report = UpdateReport(
            update=update,
            episodes=self._config.episodes,
            mean_return=averages.mean_return,
            mean_accuracy=averages.mean_accuracy,
            env_steps=steps * update,
            steps_per_second=steps / seconds,
            policy_loss=averages.policy_loss,
            value_loss=averages.value_loss,
        )
        self._run_baseline = averages.baseline_return
        self._updates = report.update
        self._first, self._last = self._first or report, report
        if self._on_update is not None:
            self._on_update(report)

    @property
    def _steps(self) -> int:
        """Environment steps per rollout of this process."""
        return self._environments * self._config.size.horizon

    def _finish(self) -> None:
        """Emit what is pending, and write the last checkpoint."""
        self._emit_update()
        if self._checkpoints:
            self._save(self._checkpoints)
            self._checkpoints.wait()
        self._emit_notices()

    def _fail(self, error: Exception) -> None:
        if self._checkpoints:
            self._checkpoints.wait()
        self._emit_notices()
        self._telemetry.close("failed", error_summary(error))

    def _summary(self, outcome: RunOutcome, seconds: float) -> TrainingSummary:
        first, last = self._first, self._last
        made = self._updates - (self._start.update if self._start else 0)
        steps = self._steps * self._group.world_size
        return TrainingSummary(
            updates=self._updates,
            env_steps=steps * self._updates,
            steps_per_second=steps * made / seconds,
            first_mean_return=first.mean_return if first else None,
            last_mean_return=last.mean_return if last else None,
            baseline_return=self._run_baseline,
            mean_accuracy=last.mean_accuracy if last else None,
            outcome=outcome,
            seconds=seconds,
            profile=self._profiler.written,
        )


def _measures_final(update: int, level: TelemetryLevel) -> bool:
    """Whether to evaluate the policy after an update: the same in all processes of one level."""
    return level >= TelemetryLevel.DEBUG or (level >= TelemetryLevel.NORMAL and update % FINAL_EVERY == 0)


def train(config: TrainingConfig, connect: Connect, on_update: OnUpdate | None = None) -> TrainingSummary:
    """Train from beginning to end; see `Trainer`."""
    return Trainer(config, connect, on_update).run()


def _learner(
    config: TrainingConfig,
    device: torch.device,
    start: TrainingCheckpoint | None,
    group: ProcessGroup,
    warn: Warn,
) -> Learner:
    """A new learner, restored from a checkpoint if there is one."""
    learner = Learner(config, device, group, warn)
    if start is not None:
        try:
            learner.load(start.state)
        except ValueError as error:
            raise InvalidArgument(
                f"The checkpoint after update {start.update} belongs to another policy; start a new run."
            ) from error
    return learner


def _host_fields(
    coefficients: ScheduledCoefficients, rollout_timer: DeviceTimer, update_timer: DeviceTimer
) -> dict[str, float]:
    """The fields of the payload that are known on the host, `HOST_FIELDS`."""
    times = {
        "update_time_ms": update_timer.seconds * 1000.0,
        "rollout_time_ms": rollout_timer.seconds * 1000.0,
    }
    return {**coefficients._asdict(), **times}
