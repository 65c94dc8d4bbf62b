"""`--profile`: where the time of a few updates goes, as trace files for TensorBoard and Perfetto."""

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

RECORDED = 2
"""So many updates are recorded; a trace of more is slow to open. One before them is thrown away, because
what happens for the first time is slow, and the profiler itself warms up during the one in between."""


class Profiler:
    """Records some updates of a run into a directory; without one it does nothing and costs nothing.

    `written` is the directory, once there is a trace in it. Raises `StorageError` if it cannot be written.
    """

    def __init__(self, directory: Path | None = None, rank: int = 0) -> None:
        self._directory, self._rank = directory, rank
        self._profile: Any = None
        self.written: Path | None = None
        self._events: list[LogRecorded] = []
        if directory is not None:
            prepare(directory)

    def begin(self, updates: int) -> Self:
        """Prepare for so many updates; to be entered."""
        if self._directory is not None:
            handler = tensorboard_trace_handler(str(self._directory), f"rank{self._rank}", use_gzip=True)
            with warnings.catch_warnings(action="ignore"):  # a run of one update leaves no time to warm up
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
        """Names what happens within it in the trace."""
        return nullcontext() if self._profile is None else record_function(name)

    def update_ended(self) -> None:
        """The next update is another step of the schedule."""
        if self._profile is not None:
            self._profile.step()

    def events(self) -> list[LogRecorded]:
        """What has been written, or could not be, since the last call."""
        told, self._events = self._events, []
        return told

    def _kept(self, write: Callable[[Any], None]) -> Callable[[Any], None]:
        """Write a trace, and note where; a disk that is full must not end a training."""

        def keep(traced: Any) -> None:
            try:
                write(traced)
            except (OSError, RuntimeError) as error:
                reason = str(error).splitlines()[0]
                message = f"The profile could not be written ({reason}); training goes on without it."
                self._events.append(LogRecorded(level="warning", message=message))
            else:
                self.written = self._directory
                message = f"A profile was written into {self._directory}."
                self._events.append(LogRecorded(level="info", message=message))

        return keep


def prepare(directory: Path) -> None:
    """Make the directory of a profile. Raises `StorageError` if it cannot be written."""
    try:
        ensure_writable(directory)
    except OSError as error:
        raise StorageError(
            f"Cannot write a profile to {directory} ({error.strerror}); choose another one for --profile."
        ) from error


def _schedule(updates: int, skipped: int) -> Callable[[int], Any]:
    """So many updates are recorded, after those that are skipped and one more, or what there is of them."""
    recorded = max(1, min(RECORDED, updates - skipped - 1))
    return schedule(
        wait=min(skipped, max(0, updates - recorded - 1)),
        warmup=min(1, updates - recorded),
        active=recorded,
        repeat=1,
    )


def _skipped() -> int:
    """Updates that are unlike all others: the first, and on CUDA those until one was recorded as a graph."""
    return WARM_UP if torch.cuda.is_available() else 1


def _activities() -> list[ProfilerActivity]:
    on_gpu = [ProfilerActivity.CUDA] if torch.cuda.is_available() else []
    return [ProfilerActivity.CPU, *on_gpu]
