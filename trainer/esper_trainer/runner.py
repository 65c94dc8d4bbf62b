"""The story of a training run, from the first event to the last: play, learn, tell."""

import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from esper_schemas.events import Event, RunFinished
from esper_schemas.metric import TelemetryLevel
from esper_schemas.payload import PPOUpdatePayload
from esper_trainer.config import TrainingConfig
from esper_trainer.device import Stopwatch, resolve_device
from esper_trainer.emissions import EventSink, run_started, update_events
from esper_trainer.environment.baselines import run_baseline
from esper_trainer.environment.morph import MorphEnvironment
from esper_trainer.examination import Examination, examined_events, instability_reported
from esper_trainer.interruption import Interrupted, Interruption
from esper_trainer.layout import layout
from esper_trainer.policy import Tamiyo
from esper_trainer.ppo import PPO
from esper_trainer.progress import Outcome, TrainingSummary, UpdateReport
from esper_trainer.rollout import Player
from esper_trainer.row import unpack_row
from esper_trainer.seeds import derived_seed
from esper_trainer.story import Story, story
from esper_trainer.transfer import HostCopy
from esper_trainer.vitals import Vitals

OnUpdate = Callable[[UpdateReport], None]


class _Pending(NamedTuple):
    """An update whose numbers are on their way to the host."""

    update: int
    numbers: HostCopy
    playing: Stopwatch
    learning: Stopwatch


class Trainer:
    """Trains Tamiyo and tells it all to `emitter`; for one run.

    Sets torch's number of threads. Raises `ConfigError` for a device that is not there, before
    anything is emitted.
    """

    def __init__(self, config: TrainingConfig, emitter: EventSink, on_update: OnUpdate | None = None) -> None:
        torch.set_num_threads(config.torch_threads)
        self._config, self._emitter, self._on_update = config, emitter, on_update
        self._device = resolve_device(config.device)
        self._interruption = Interruption()
        self._pending: _Pending | None = None
        self._updates = 0
        self._level = TelemetryLevel[config.telemetry.upper()]
        self._first: UpdateReport | None = None
        self._last: UpdateReport | None = None
        self._player, self._ppo = _learner(config, self._device)
        self._vitals = Vitals(self._device)

    def stop(self, reason: str = "The run was stopped.") -> None:
        """Ask the run to end cleanly at its next step; from any thread."""
        self._interruption.request(reason)

    def run(self) -> TrainingSummary:
        """Train to the end, or until a signal or `stop`.

        What fails is told in the last event, and raised.
        """
        with self._interruption:
            baseline_return = self._begin()
            began = time.perf_counter()
            try:
                self._train()
                outcome = self._finish("completed")
            except (Interrupted, KeyboardInterrupt) as interruption:
                outcome = self._finish("interrupted", str(interruption))
            except Exception as error:
                self._fail(error)
                raise
        return self._summary(outcome, baseline_return, time.perf_counter() - began)

    def _begin(self) -> float:
        """Measure what always waiting would return, and tell that the run begins."""
        config = self._config
        baseline = run_baseline("wait", config.environments, config.size, config.seed, self._device)
        self._emitter.emit(run_started(config, baseline.mean_return))
        return baseline.mean_return

    def _train(self) -> None:
        for update in range(1, self._config.episodes + 1):
            playing = Stopwatch(self._device)
            episode = self._player.play(between_steps=self._look_up)
            playing.stop()
            learning = Stopwatch(self._device)
            row = self._ppo.update(episode.rollout, self._level)
            learning.stop()
            examined = self._ppo.examine(episode.rollout) if self._level >= TelemetryLevel.DEBUG else ()
            self._tell()
            numbers = HostCopy((row, *story(episode), *examined))
            self._pending = _Pending(update, numbers, playing, learning)
            self._look_up()

    def _look_up(self) -> None:
        """Between steps: tell the last update if it has arrived, and see whether to go on."""
        if self._pending and self._pending.numbers.ready():
            self._tell()
        self._interruption.check()

    def _tell(self) -> None:
        """Emit everything about the update that is pending."""
        if self._pending is None:
            return
        (update, numbers, playing, learning), self._pending = self._pending, None
        row, *columns = numbers.wait()
        told, examined = Story(*columns[: len(Story._fields)]), columns[len(Story._fields) :]
        payload = unpack_row(row, self._level, self._host_fields(playing, learning))
        for event in update_events(update, told, payload, self._steps, playing.seconds):
            self._emitter.emit(event)
        for event in self._diagnoses(update, payload, examined):
            self._emitter.emit(event)
        self._emitter.emit(self._vitals.sample())
        self._report(update, told, payload, playing.seconds + learning.seconds)

    def _diagnoses(self, update: int, payload: PPOUpdatePayload, examined: list[Tensor]) -> Iterator[Event]:
        """What is told beside the payload: faults at every level, the rest at DEBUG."""
        yield from instability_reported(update, payload)
        if examined:
            yield from examined_events(update, self._ppo.layer_names, Examination(*examined))

    def _report(self, update: int, told: Story, payload: PPOUpdatePayload, seconds: float) -> None:
        report = UpdateReport(
            update=update,
            episodes=self._config.episodes,
            mean_return=told.returns.mean().item(),
            mean_accuracy=told.accuracy.mean().item(),
            env_steps=self._steps * update,
            steps_per_second=self._steps / seconds,
            payload=payload,
        )
        self._updates = report.update
        self._first, self._last = self._first or report, report
        if self._on_update is not None:
            self._on_update(report)

    def _host_fields(self, playing: Stopwatch, learning: Stopwatch) -> dict[str, float]:
        """What the host adds to the row: `row.HOST_FIELDS`."""
        return {
            "learning_rate": self._config.learning_rate,
            "entropy_coefficient": self._config.entropy_coefficient,
            "update_time_ms": learning.seconds * 1000.0,
            "rollout_time_ms": playing.seconds * 1000.0,
        }

    @property
    def _steps(self) -> int:
        """Environment steps per rollout."""
        return self._config.environments * self._config.size.horizon

    def _finish(self, outcome: Outcome, reason: str = "") -> Outcome:
        self._tell()
        self._emitter.emit(RunFinished(outcome=outcome, updates=self._updates, reason=reason))
        return outcome

    def _fail(self, error: Exception) -> None:
        self._emitter.emit(RunFinished(outcome="failed", updates=self._updates, reason=sentence(error)))

    def _summary(self, outcome: Outcome, baseline_return: float, seconds: float) -> TrainingSummary:
        first, last = self._first, self._last
        steps = self._steps * self._updates
        return TrainingSummary(
            updates=self._updates,
            env_steps=steps,
            steps_per_second=steps / seconds,
            first_mean_return=first.mean_return if first else None,
            last_mean_return=last.mean_return if last else None,
            baseline_return=baseline_return,
            mean_accuracy=last.mean_accuracy if last else None,
            outcome=outcome,
            seconds=seconds,
        )


def train(config: TrainingConfig, emitter: EventSink, on_update: OnUpdate | None = None) -> TrainingSummary:
    """Train from beginning to end; see `Trainer`."""
    return Trainer(config, emitter, on_update).run()


def sentence(error: Exception) -> str:
    """What went wrong, in one line."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def _learner(config: TrainingConfig, device: torch.device) -> tuple[Player, PPO]:
    """Build what plays and what learns; they share one policy."""
    constants = layout(device)
    environment = MorphEnvironment(config.environments, config.size, seed=config.seed, device=device)
    policy = Tamiyo(
        environment.observation_size, config.hidden_size, seed=derived_seed(config.seed, "policy")
    ).to(device)
    player = Player(policy, environment, constants, seed=derived_seed(config.seed, "actions"))
    return player, PPO(policy, constants, environment.legality().choices, config)
