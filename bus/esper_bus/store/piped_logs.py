"""Log files that arrive one behind another as one stream of bytes, such as through a pipe."""

from pathlib import Path

from mcap.writer import MCAP0_MAGIC

from esper_bus.paths import RunPaths

_BOUNDARY = MCAP0_MAGIC + MCAP0_MAGIC
"""A finished file ends with the bytes with which the next one begins."""


class PipedLogs:
    """Writes a stream of bytes to the log of a run directory, one file for each in the stream.

    All bytes are in the files when `write` returns. Raises `OSError`.
    """

    def __init__(self, run_dir: Path) -> None:
        self._run_dir = run_dir
        self._files: list[Path] = []
        self._last = b""  # the last bytes, with which a boundary may begin
        self._begin_file()

    @property
    def path(self) -> Path:
        """The run directory; if the stream was one file, that file."""
        return self._files[0] if len(self._files) == 1 else self._run_dir

    def write(self, data: bytes) -> None:
        """Append bytes to the stream."""
        seen = self._last + data
        at = seen.find(_BOUNDARY)
        if at < 0:
            self._file.write(data)
            self._last = seen[-len(_BOUNDARY) + 1 :]
            return
        end = at + len(MCAP0_MAGIC)
        self._end_file(seen[len(self._last) : end], surplus=max(0, len(self._last) - end))
        self._begin_file()
        self.write(seen[end:])

    def close(self) -> None:
        """Close the last file."""
        self._file.close()

    def begins_as_log(self) -> bool:
        """Whether the stream began as a log does."""
        with self._files[0].open("rb") as file:
            return file.read(len(MCAP0_MAGIC)) == MCAP0_MAGIC

    def _begin_file(self) -> None:
        path = RunPaths(self._run_dir).log_file(0, len(self._files))
        path.parent.mkdir(parents=True, exist_ok=True)
        self._files.append(path)
        self._file = path.open("wb", buffering=0)
        self._last = b""

    def _end_file(self, data: bytes, surplus: int) -> None:
        """Append the end of a file, from which `surplus` bytes of the next one are removed again."""
        self._file.write(data)
        self._file.truncate(self._file.tell() - surplus)
        self._file.close()
