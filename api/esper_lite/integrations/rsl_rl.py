"""A log writer for rsl_rl, which Isaac Lab and legged robots train with.

    cfg["logger"] = {"class_name": "esper_lite.integrations.rsl_rl:EsperLogWriter", "run": "walker"}

    runner = OnPolicyRunner(env, cfg, log_dir="logs/walker")

The library creates the writer when the training begins, and only on the first of several ranks.
"""

import weakref
from collections.abc import Iterator, Mapping
from dataclasses import asdict, is_dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from rsl_rl.utils.log_writer import LogWriter

from esper_lite.integrations.facts import facts_from, flattened
from esper_lite.integrations.recording import Recording, guarded

_MAX_SETTINGS = 256
"""Of an environment: that of a simulator can have thousands."""


class EsperLogWriter(LogWriter):
    """Records the scalars of each iteration, under their tags.

    log_dir: the directory of rsl_rl's own files, whose last part is the default name. run: name of the run.
    options: the keywords of `esper_lite.connect`. The library copies them: open telemetry cannot be passed.
    No failure of recording ends a training.
    """

    def __init__(self, log_dir: str | None = None, run: str | None = None, **options: Any) -> None:
        self._name = Path(log_dir).name if log_dir else ""
        options = {"rank": 0, "world_size": 1, **options}  # the numbers are those of all ranks
        self._recording = Recording(run, options, "rsl-rl-lib")
        self._started = False
        finalizer = weakref.finalize(self, self._recording.finish_at_exit)
        finalizer.atexit = False  # at exit the recording ends itself, before its emitter is closed

    @guarded
    def store_config(self, env_cfg: Any, train_cfg: Mapping[str, Any]) -> None:
        """Begin the run, with the settings of training and environment."""
        self._started = True
        environment = dict(islice(_plain_settings(env_cfg), _MAX_SETTINGS))
        facts = facts_from({**train_cfg, "environment": environment}, task=self._name)
        self._recording.start(facts)

    @guarded
    def add_scalar(self, tag: str, scalar_value: Any, global_step: int) -> None:
        """Record a number of an iteration."""
        if not self._started:
            self.store_config({}, {})
        self._recording.log({tag: scalar_value}, global_step)

    def stop(self) -> None:
        """End the run; the library calls this at the normal end of a training only."""
        self._recording.finish()


def _plain_settings(settings: Any) -> Iterator[tuple[str, Any]]:
    """The numbers, flags and texts in the settings of an environment, which have any type."""
    if hasattr(settings, "to_dict"):
        settings = settings.to_dict()
    elif is_dataclass(settings) and not isinstance(settings, type):
        settings = asdict(settings)
    elif not isinstance(settings, Mapping):
        settings = getattr(settings, "__dict__", {})
    for name, value in flattened(settings).items():
        if isinstance(value, str | int | float | bool):
            yield name, value
