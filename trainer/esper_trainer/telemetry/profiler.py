"""`--profile`: traces of a few updates for TensorBoard and Perfetto."""

import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import torch
from torch.profiler import ProfilerActivity, profile, record_function, schedule, tensorboard_trace_handler

from esper_schemas.errors import StorageError
from esper_schemas.events import LogRecorded
from esper_trainer.device.cuda_graphs import WARM_UP
from esper_trainer.run.run_directory import ensure_writable

RECORDED_UPDATES = 2
"""Number of updates that are recorded; longer traces are slow to open. The first updates are skipped
because they are slow, and the profiler itself warms up during one more."""


class Profiler:
    """Records some updates of a run into a directory; without a directory it does nothing.

    `written` is the directory, once it has a trace. Raises `StorageError` if it cannot be written.
    """

    def __init__(self, directory: Path | None = None, rank: int = 0) -> None:
        self._directory, self._rank = directory, rank
        self._profile: Any = None
        self.written: Path | None = None
        self._events: list[LogRecorded] = []
        if directory is not None:
            prepare_profile_dir(directory)

    def begin(self, updates: int) -> Self:
        """Prepare for a number of updates; returns itself, to be entered."""
        if self._directory is not None:
            handler = tensorboard_trace_handler(str(self._directory), f"rank{self._rank}", use_gzip=True)
            with warnings.catch_warnings(action="ignore"):  # a run of one update is too short for a warm-up
                self._profile = profile(
                    activities=_activities(),
                    schedule=_schedule(updates, _skipped()),
                    on_trace_ready=self._kept(handler),
                )
        return self

    def __enter__(self) -> Self:
        if self._profile is not None:
            self._profile.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._profile is not None:
            self._profile.stop()

    def region(self, name: str) -> AbstractContextManager[object]:
        """A named region of the trace."""
        return nullcontext() if self._profile is None else record_function(name)

    def update_ended(self) -> None:
        """Advance the schedule by one update."""
        if self._profile is not None:
            self._profile.step()

    def events(self) -> list[LogRecorded]:
        """Events about traces that were written or failed since the last call."""
        events, self._events = self._events, []
        return events

    def _kept(self, write: Callable[[Any], None]) -> Callable[[Any], None]:
        """Write a trace and record where; a full disk must not end a training."""

        def keep(traced: Any) -> None:
            try:
                write(traced)
            except (OSError, RuntimeError) as error:
                reason = str(error).splitlines()[0]
                message = f"The profile could not be written ({reason}); training continues without it."
                self._events.append(LogRecorded(level="warning", message=message))
            else:
                self.written = self._directory
                message = f"A profile was written to {self._directory}."
                self._events.append(LogRecorded(level="info", message=message))

        return keep


def prepare_profile_dir(directory: Path) -> None:
    """Make the directory of a profile. Raises `StorageError` if it cannot be written."""
    try:
        ensure_writable(directory)
    except OSError as error:
        raise StorageError(
            f"Cannot write a profile to {directory} ({error.strerror}); choose another one for --profile."
        ) from error


def _schedule(updates: int, skipped: int) -> Callable[[int], Any]:
    """The schedule: skip updates, warm up for one, and record up to `RECORDED_UPDATES`."""
    recorded = max(1, min(RECORDED_UPDATES, updates - skipped - 1))
    return schedule(
        wait=min(skipped, max(0, updates - recorded - 1)),
        warmup=min(1, updates - recorded),
        active=recorded,
        repeat=1,
    )


def _skipped() -> int:
    """Updates that are not typical: the first, and on CUDA those before the first graph is captured."""
    return WARM_UP if torch.cuda.is_available() else 1


def _activities() -> list[ProfilerActivity]:
    on_gpu = [ProfilerActivity.CUDA] if torch.cuda.is_available() else []
    return [ProfilerActivity.CPU, *on_gpu]
