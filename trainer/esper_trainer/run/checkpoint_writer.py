"""Writing checkpoints in the background."""

import threading
import time
from collections import deque
from pathlib import Path

from esper_schemas.events import CheckpointSaved, Event, LogRecorded
from esper_trainer.device.host_transfer import HostCopy
from esper_trainer.run.checkpoint_file import CheckpointFiles, TrainingCheckpoint, write

KEPT = 3
"""Number of checkpoints of a run that are kept."""

CLOSE_S = 30.0
"""Seconds that the end of a run waits for its last checkpoint."""


class CheckpointWriter:
    """Writes checkpoints in a thread; the training thread only starts to copy the state.

    At most one is written at a time: a slow disk receives fewer checkpoints.
    """

    def __init__(self, files: CheckpointFiles, every: int) -> None:
        self._files, self._every = files, every
        self._saved: int | None = None
        self._thread: threading.Thread | None = None
        self._events: deque[Event] = deque()

    def due(self, update: int) -> bool:
        """Whether to save a checkpoint after this update: at the interval, and not while one is being
        written."""
        return bool(self._every) and update % self._every == 0 and not self._busy()

    def save(self, checkpoint: TrainingCheckpoint) -> None:
        """Start to write a checkpoint, with the present values of the tensors."""
        self.wait()
        if self._saved == checkpoint.update:
            return
        self._saved = checkpoint.update
        copy = HostCopy(list(checkpoint.state.tensors.values()))
        self._thread = threading.Thread(target=self._write, args=(checkpoint, copy), daemon=True)
        self._thread.start()

    def events(self) -> list[Event]:
        """Events about checkpoints that were written or failed since the last call."""
        return [self._events.popleft() for _ in range(len(self._events))]

    def wait(self) -> None:
        """Wait until nothing is being written, for at most `CLOSE_S`."""
        if self._thread is not None:
            self._thread.join(CLOSE_S)

    def _busy(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _write(self, checkpoint: TrainingCheckpoint, copy: HostCopy) -> None:
        started, state = time.perf_counter(), checkpoint.state
        path = self._files.path(checkpoint.update)
        try:
            tensors = dict(zip(state.tensors, copy.wait(), strict=True))
            write(path, checkpoint._replace(state=state._replace(tensors=tensors)))
            self._files.keep(KEPT)
        except Exception as error:  # also of the device: nothing else handles an error in this thread
            self._events.append(_failure(path, checkpoint.update, error))
        else:
            relative = path.relative_to(self._files.directory.parent)
            took_ms = (time.perf_counter() - started) * 1e3
            self._events.append(
                CheckpointSaved(update=checkpoint.update, path=str(relative), duration_ms=took_ms)
            )


def _failure(path: Path, update: int, error: Exception) -> LogRecorded:
    reason = (error.strerror if isinstance(error, OSError) else None) or repr(error)
    return LogRecorded(
        level="warning",
        message=f"A checkpoint could not be written ({reason}); training continues without it.",
        fields={"update": update, "path": path.name},
    )
