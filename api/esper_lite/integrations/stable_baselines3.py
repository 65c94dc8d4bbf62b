"""A callback for Stable-Baselines3 and sb3-contrib that records a training.

    from esper_lite.integrations.stable_baselines3 import EsperCallback

    model.learn(100_000, callback=EsperCallback("cartpole"))

It records what the library's own logger gets, under the same names, when it becomes known. The library itself
writes the values of an update with the next rollout, and those of the last update nowhere.
"""

import time
import weakref
from collections.abc import Mapping
from typing import Any

from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import KVWriter
from stable_baselines3.common.utils import safe_mean

from esper_lite.integrations.recording import Recording, Target, guarded, is_number
from esper_lite.integrations.stable_baselines3_checks import UpdateChecks
from esper_lite.integrations.stable_baselines3_facts import entropy_limit, facts_of
from esper_schemas.events import EpisodeCompleted

_LIBRARY = "stable-baselines3"
_TRAINING = "train/"
_DUMP_OF_ROLLOUT = "time/fps"
"""What only the algorithm logs, once per dumped rollout; an `EvalCallback` dumps without it."""
_OF_EPISODES = ("rollout/ep_rew_mean", "rollout/ep_len_mean", "rollout/success_rate")
"""Means over the last episodes, which the library logs again while no episode ends."""
_EPISODES_S = 0.5
"""Finished episodes are recorded at least this often, and at the end of a rollout."""


class EsperCallback(BaseCallback):
    """Records a training of PPO, A2C, RecurrentPPO, MaskablePPO and similar algorithms.

    run: name of the run, by default that of the environment; or open telemetry. options: the keywords of
    `esper_lite.connect`. The run ends with `learn()`; a further `learn(reset_num_timesteps=False)` continues
    it, any other one begins another run. No failure of recording ends a training.
    """

    def __init__(self, run: Target = None, **options: Any) -> None:
        super().__init__()
        self._recording = Recording(run, options, _LIBRARY)
        self._output = LoggerOutput(self._recording)
        self._checks = UpdateChecks(lambda error: self._recording.failed("checks", error))
        self._begin()
        finalizer = weakref.finalize(self, self._recording.finish_at_exit)
        finalizer.atexit = False  # at exit the recording ends itself, before its emitter is closed

    def _begin(self) -> None:
        """Begin another training."""
        self._checks.end_update()
        self._output.last_dump = -1
        self._output.episode_ended = False
        self._episodes = self._updates_before = 0
        self._rollout_began = self._rollout_ended = 0.0
        self._entropy_limit: float | None = None
        self._of_rollout: dict[str, float] = {}
        self._ended: list[EpisodeCompleted] = []
        self._recorded_at = 0.0

    def __enter__(self) -> "EsperCallback":
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._checks.end_update()
        self._recording.finish_after(error)

    @guarded
    def _on_training_start(self) -> None:
        model: Any = self.model
        resets = self.locals.get("reset_num_timesteps", True)
        self._begin()
        self._recording.start(facts_of(model), trainer=model, resume=self._recording.has_ended and not resets)
        self._updates_before = model._n_updates
        self._entropy_limit = entropy_limit(model)
        if self._recording.is_open:
            _replace_output(self.logger.output_formats, self._output)

    @guarded
    def _on_rollout_start(self) -> None:
        self._log_update()
        self._output.episode_ended = False
        self._checks.begin_rollout()
        self._rollout_began = time.perf_counter()

    def _on_step(self) -> bool:
        self._keep_rewards()
        for info in self.locals.get("infos", ()):  # at nearly all steps this is all that happens
            if "episode" in info:
                self._collect_episodes()
                break
        return True

    @guarded
    def _keep_rewards(self) -> None:
        found = self.locals
        self._checks.add_step(found["rewards"], found["dones"], found["infos"], found.get("values"))

    @guarded
    def _on_rollout_end(self) -> None:
        self._rollout_ended = time.perf_counter()
        self._record_episodes()
        self._output.pending.mark(self.logger.name_to_value)
        self._of_rollout = _measured_rollout(self.model)
        self._begin_checks()

    @guarded
    def _begin_checks(self) -> None:
        if self._recording.is_open:
            self._checks.end_rollout(self.model, self.locals["values"], self.locals["dones"])

    @guarded
    def _on_training_end(self) -> None:
        try:
            self._record_episodes()
            self._log_update()
        finally:
            self._recording.finish()
        if self._output in self.logger.output_formats:
            self.logger.output_formats.remove(self._output)

    @guarded
    def _collect_episodes(self) -> None:
        """Keep the episodes that ended at this step, for a moment: recording many at once takes less time."""
        for environment, info in enumerate(self.locals["infos"]):
            if "episode" in info:
                self._episodes += 1
                self._output.episode_ended = True
                self._ended.append(_episode(environment, self._episodes, info["episode"]))
        if time.perf_counter() - self._recorded_at > _EPISODES_S:
            self._record_episodes()

    def _record_episodes(self) -> None:
        ended, self._ended = self._ended, []
        self._recorded_at = time.perf_counter()
        for event in ended:
            self._recording.emit(event)

    def _log_update(self) -> None:
        """Record the update that was made since the last call, and its rollout if the logger omitted that."""
        model = self.model
        if not self._recording.is_open or model._n_updates == self._updates_before:
            return
        step, values = model.num_timesteps, self._output.pending.take(self.logger.name_to_value)
        self._recording.log(values | self._measured(values) | self._checks.end_update(), step)
        self._updates_before = model._n_updates
        if self._output.last_dump != step:
            self._recording.log(self._output.without_repeated(_rollout_values(model)), step)

    def _measured(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """What the library does not log of an update."""
        model = self.model
        measured = self._of_rollout | {
            "entropy_coefficient": model.ent_coef,
            "epochs_completed": model._n_updates - self._updates_before,
            "rollout_time_ms": 1000 * (self._rollout_ended - self._rollout_began),
            "update_time_ms": 1000 * (time.perf_counter() - self._rollout_ended),
        }
        if self._entropy_limit and "train/entropy_loss" in values:
            measured["entropy_normalized"] = -values["train/entropy_loss"] / self._entropy_limit
        return measured


def _measured_rollout(model: Any) -> dict[str, float]:
    """Means and standard deviations over a rollout, which the library drops before the next one."""
    measured = {}
    for field in ("returns", "values", "advantages"):
        array = getattr(model.rollout_buffer, field)
        measured[f"{field[:-1]}_mean"] = float(array.mean())
        measured[f"{field[:-1]}_std"] = float(array.std())
    return measured


def _replace_output(outputs: list[Any], output: "LoggerOutput") -> None:
    """Add an output to the logger; that of an earlier training, which an exception ended, is removed."""
    outputs[:] = [other for other in outputs if not isinstance(other, LoggerOutput)] + [output]


def _episode(environment: int, number: int, result: Mapping[str, Any]) -> EpisodeCompleted:
    return EpisodeCompleted(
        environment=environment, episode=number, episode_return=float(result["r"]), length=int(result["l"])
    )


def _rollout_values(model: Any) -> dict[str, Any]:
    """What the algorithm logs of a rollout, where its `log_interval` leaves it out."""
    values: dict[str, Any] = {"time/total_timesteps": model.num_timesteps}
    if model.ep_info_buffer and model.ep_info_buffer[0]:
        values["rollout/ep_rew_mean"] = safe_mean([episode["r"] for episode in model.ep_info_buffer])
        values["rollout/ep_len_mean"] = safe_mean([episode["l"] for episode in model.ep_info_buffer])
    if model.ep_success_buffer:
        values["rollout/success_rate"] = safe_mean(model.ep_success_buffer)
    return values


class PendingValues:
    """Which values in the library's logger belong to an update, and which are recorded already.

    The logger keeps a value until it is dumped: that of an update until after the next rollout.
    """

    def __init__(self) -> None:
        self._before: dict[str, Any] = {}
        self._recorded: dict[str, Any] = {}

    def mark(self, values: Mapping[str, Any]) -> None:
        """Remember the values that are there before an update."""
        self._before = dict(values)

    def take(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values of an update."""
        before = self._before
        self._recorded = {
            name: value
            for name, value in values.items()
            if is_number(value) and (name.startswith(_TRAINING) or before.get(name) is not value)
        }
        return dict(self._recorded)

    def dumped(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a dump adds to the values of the update before; it empties the logger."""
        recorded = self._recorded
        self._before, self._recorded = {}, {}
        return {
            name: value
            for name, value in values.items()
            if is_number(value) and recorded.get(name) is not value
        }


class LoggerOutput(KVWriter):
    """An output of the library's logger, which records what the algorithm and other callbacks log."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self.pending = PendingValues()
        self.last_dump = -1
        self.episode_ended = False

    @guarded
    def write(
        self, key_values: dict[str, Any], key_excluded: dict[str, tuple[str, ...]], step: int = 0
    ) -> None:
        """Record the values of a dump at an environment step."""
        values = self.without_repeated(self.pending.dumped(key_values))
        if _DUMP_OF_ROLLOUT in values:
            self.last_dump = step
        else:
            values.pop("time/total_timesteps", None)  # of an evaluation: it would begin another rollout
        if values:
            self._recording.log(values, step)

    def without_repeated(self, values: dict[str, Any]) -> dict[str, Any]:
        """Return the values of a rollout without the means over episodes if no episode ended in it.

        The same mean again would look like a return that no longer changes.
        """
        if self.episode_ended:
            return values
        return {name: value for name, value in values.items() if name not in _OF_EPISODES}

    def close(self) -> None:
        """Do nothing: the callback ends the run."""
