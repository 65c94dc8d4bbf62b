"""Writing checkpoints while training goes on."""

import threading
import time
from collections import deque
from pathlib import Path

from esper_schemas.events import CheckpointSaved, Event, LogRecorded
from esper_trainer.device.host_transfer import HostCopy
from esper_trainer.run.checkpoint_file import CheckpointFiles, TrainingCheckpoint, write

KEPT = 3
"""How many checkpoints of a run stay."""

CLOSE_S = 30.0
"""So long the end of a run waits for its last checkpoint."""


class CheckpointWriter:
    """Writes checkpoints in a thread of its own; the training thread only begins the copy of its state.

    Not more than one is written at a time: a disk that cannot keep up gets fewer checkpoints.
    """

    def __init__(self, files: CheckpointFiles, every: int) -> None:
        self._files, self._every = files, every
        self._saved: int | None = None
        self._thread: threading.Thread | None = None
        self._events: deque[Event] = deque()

    def due(self, update: int) -> bool:
        """Whether a checkpoint should be saved after this update, and none is being written now."""
        return bool(self._every) and update % self._every == 0 and not self._busy()

    def save(self, checkpoint: TrainingCheckpoint) -> None:
        """Begin to write a checkpoint, with the tensors as they are now."""
        self.wait()
        if self._saved == checkpoint.update:
            return
        self._saved = checkpoint.update
        copy = HostCopy(list(checkpoint.state.tensors.values()))
        self._thread = threading.Thread(target=self._write, args=(checkpoint, copy), daemon=True)
        self._thread.start()

    def events(self) -> list[Event]:
        """What has been written, or could not be, since the last call."""
        return [self._events.popleft() for _ in range(len(self._events))]

    def wait(self) -> None:
        """Until nothing is being written, but not for ever."""
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
        except Exception as error:  # a device that failed too: nobody is there to catch it
            self._events.append(_failure(path, checkpoint.update, error))
        else:
            place = path.relative_to(self._files.directory.parent)
            took_ms = (time.perf_counter() - started) * 1e3
            self._events.append(
                CheckpointSaved(update=checkpoint.update, path=str(place), duration_ms=took_ms)
            )


def _failure(path: Path, update: int, error: Exception) -> LogRecorded:
    reason = (error.strerror if isinstance(error, OSError) else None) or repr(error)
    return LogRecorded(
        level="warning",
        message=f"A checkpoint could not be written ({reason}); training goes on without it.",
        fields={"update": update, "path": path.name},
    )
