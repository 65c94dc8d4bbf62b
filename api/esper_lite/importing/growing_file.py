"""A file that another program may be writing, replacing or deleting while it is read."""

import os
import stat
from pathlib import Path
from typing import BinaryIO, NamedTuple

BLOCK_BYTES = 1024 * 1024


class FileState(NamedTuple):
    """A file at one moment; equal states mean that it has not been written in between."""

    device: int
    inode: int
    size: int
    modified_ns: int

    def is_same_file(self, other: "FileState | None") -> bool:
        """Whether this is the file of an earlier state, which has not been replaced or cut."""
        return other is not None and self[:2] == other[:2] and self.size >= other.size


def state_of(path: Path) -> FileState | None:
    """The state of a regular file; None for anything else, such as a pipe, or what cannot be read."""
    try:
        status = path.stat()
    except OSError:
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    return FileState(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def open_regular(path: Path) -> BinaryIO:
    """Open a file for reading, without buffering. Raises `OSError`, also for anything but a regular file."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError(0, "not a regular file", str(path))
        return os.fdopen(fd, "rb", buffering=0)
    except BaseException:
        os.close(fd)
        raise
