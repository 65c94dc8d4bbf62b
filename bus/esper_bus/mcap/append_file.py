"""A file that only grows, by whole appends."""

import contextlib
import errno
import os
from pathlib import Path


class FileDeletedError(OSError):
    """The file was deleted: what is written to it cannot be read later."""

    def __init__(self) -> None:
        super().__init__(errno.ENOENT, "it was deleted")


class AppendFile:
    """A new file of `size` bytes.

    Raises `OSError` if it cannot be created, `FileExistsError` if it exists, and `FileDeletedError` from
    `append`, `sync` and `check` once it was deleted.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.size = 0
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self._fd = os.open(path, flags, 0o644)
        self._synced = 0
        self._has_links = os.fstat(self._fd).st_nlink > 0  # some file systems do not count them

    def append(self, *parts: bytes) -> None:
        """Write all parts in their order. Raises `OSError`, with the file as it was before."""
        self.check()
        rest = [memoryview(part) for part in parts if part]
        try:
            while rest:
                rest = _remaining(rest, os.writev(self._fd, rest[:_PARTS_AT_ONCE]))
        except OSError:
            self._restore()
            raise
        self.size += sum(len(part) for part in parts)

    def sync(self) -> None:
        """Sync the file to the disk if it has grown since. Raises `OSError`."""
        self.check()
        if self._synced != self.size:
            _datasync(self._fd)
            self._synced = self.size

    def check(self) -> None:
        """Raise `FileDeletedError` if the file was deleted."""
        if self._has_links and os.fstat(self._fd).st_nlink == 0:
            raise FileDeletedError

    def close(self) -> None:
        """Close the file; it stays as it is."""
        os.close(self._fd)

    def remove(self) -> None:
        """Close the file and remove it."""
        self.close()
        self.path.unlink(missing_ok=True)

    def _restore(self) -> None:
        with contextlib.suppress(OSError):  # the file has a torn end then, which readers report
            os.lseek(self._fd, self.size, os.SEEK_SET)
            os.ftruncate(self._fd, self.size)


def _remaining(parts: list[memoryview], written: int) -> list[memoryview]:
    """The parts without their first `written` bytes."""
    for index, part in enumerate(parts):
        if written < len(part):
            return [part[written:], *parts[index + 1 :]]
        written -= len(part)
    return []


_PARTS_AT_ONCE = 512
"""Every system accepts this many in one call."""

_datasync = getattr(os, "fdatasync", os.fsync)  # macOS has no fdatasync
