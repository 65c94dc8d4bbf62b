"""A logger for TorchRL, for its `Trainer` and for loops of one's own.

    from esper_lite.integrations.torchrl import EsperLogger

    logger = EsperLogger("cartpole")
    logger.watch(trainer)

Without `watch`, a `Trainer` logs a value only every `log_interval` frames, 10,000 by default.
"""

import math
from collections.abc import Mapping
from typing import Any

from torchrl.record.loggers.common import Logger

from esper_lite.integrations.logged_run import LoggedRun
from esper_lite.integrations.recording import Recording, Target, guarded, is_number

_LIBRARY = "torchrl"
_RENAMED = {"grad_norm": "grad_norm_pre_clip"}
"""The norm before clipping, which the catalogue has under another name."""
_SETTINGS = ("total_frames", "frame_skip", "num_epochs", "optim_steps_per_batch", "clip_norm", "seed")


class EsperLogger(Logger):
    """Records scalars and hyper-parameters; accepts and counts videos and histograms.

    run: name of the run, by default that of the program; or open telemetry. options: the keywords of
    `esper_lite.connect`. The run begins with the first value, and hyper-parameters that were logged before
    describe it. It ends when a watched training ends, with `close`, or with the program. No failure of
    recording ends a training.
    """

    def __init__(self, run: Target = None, **options: Any) -> None:
        self._recording = Recording(run, options, _LIBRARY, reports_end=False)
        self._run = LoggedRun(self._recording)
        self._trainer: Any = None
        self._recorded: dict[str, int] = {}
        super().__init__(exp_name=run if isinstance(run, str) else "", log_dir=None)

    @guarded
    def watch(self, trainer: Any) -> None:
        """Record all values that a `Trainer` logs, with every batch, whatever its `log_interval` is.

        Register hooks of your own before: the library calls them in the order in which they are registered.
        """
        self._run.settings(_settings_of(trainer))
        self._trainer = trainer
        self._recording.expect_end_of(trainer)
        trainer.register_op("post_steps_log", self._record_batch)
        trainer.register_op("shutdown", self._end_of_training)

    def log_scalar(self, name: str, value: Any, step: int | None = None, **_: Any) -> None:
        """Record a number, unless it is of a watched trainer, whose batch is recorded as a whole."""
        if self._trainer is None or self._last(name) is not value:
            self._run.values({_RENAMED.get(name, name): value}, step)

    def log_hparams(self, cfg: Mapping[str, Any]) -> None:
        """Record the settings of the program."""
        self._run.settings(dict(cfg))

    def log_video(self, name: str, video: Any, step: int | None = None, **_: Any) -> None:
        """Count a video, which is not recorded."""
        self._run.ignore("log_video")

    def log_histogram(self, name: str, data: Any, **_: Any) -> None:
        """Count a histogram, which is not recorded."""
        self._run.ignore("log_histogram")

    def log_str(self, name: str, value: str, step: int | None = None) -> None:
        """Record a text."""
        self._run.text(name, value)

    def shutdown(self, timeout: float | None = None) -> None:
        """End the run."""
        self._run.finish()

    def _create_experiment(self) -> LoggedRun:
        return self._run

    def __repr__(self) -> str:
        return f"EsperLogger({self.exp_name!r})"

    @guarded
    def _record_batch(self, _: Any = None) -> None:
        """Record what the trainer has logged since the last batch."""
        logged, before = self._trainer._log_dict, self._recorded
        self._recorded = {name: len(values) for name, values in logged.items()}
        new = {name: values[-1] for name, values in logged.items() if len(values) > before.get(name, 0)}
        values = {_RENAMED.get(name, name): value for name, value in new.items() if is_number(value)}
        if values:
            frames = self._trainer.collected_frames
            self._run.values({**values, "env_steps_total": frames}, frames)

    @guarded
    def _end_of_training(self) -> None:
        self._record_batch()
        self._run.finish()

    def _last(self, name: str) -> Any:
        values = getattr(self._trainer, "_log_dict", {}).get(name)
        return values[-1] if values else None


def _settings_of(trainer: Any) -> dict[str, Any]:
    """What a trainer tells about its training; what another version lacks is left out."""
    settings = {name: getattr(trainer, name, None) for name in _SETTINGS}
    loss, frames = trainer.loss_module, getattr(trainer.collector, "requested_frames_per_batch", None)
    settings["loss"] = type(loss).__name__
    clip_epsilon: Any = getattr(loss, "clip_epsilon", None)
    if is_number(clip_epsilon):
        settings["clip_epsilon"] = float(clip_epsilon)
    if frames and settings["total_frames"]:
        settings["num_iterations"] = math.ceil(settings["total_frames"] / frames)
    return settings
