"""The files of the index of a run's series, and the frames in them. Reading them needs no NumPy.

`segments.series` only grows. `recent.series` has the rows since the last segment, as chunks.
"""

import contextlib
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from esper_aggregator.series.frames import Coverage, Frame, read_frames

SEGMENTS: Final = "segments.series"
RECENT: Final = "recent.series"


class IndexFile:
    """A file of an index that is open for reading; it stays readable when it is replaced.

    Raises `OSError` for what is not a regular file.
    """

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        if not stat.S_ISREG(os.fstat(self._fd).st_mode):
            raise FileNotFoundError(2, f"{path} is not a file")

    def __del__(self) -> None:
        with contextlib.suppress(OSError, AttributeError):
            os.close(self._fd)

    def read(self, offset: int, size: int) -> bytes:
        """Read bytes; fewer at the end of the file."""
        return os.pread(self._fd, size, offset)

    def frames(self, fingerprint: int) -> Iterator[Frame]:
        """Yield the whole frames; none of a file of another version."""
        return read_frames(self._fd, fingerprint)


class FileFrame(NamedTuple):
    """A frame and the file that it is in."""

    file: IndexFile
    frame: Frame


def coverage_of(frames: Sequence[FileFrame]) -> Coverage:
    """Return how far an index with these frames reaches."""
    return frames[-1].frame.meta.coverage if frames else Coverage()


def read_index(directory: Path, fingerprint: int) -> list[FileFrame]:
    """Return the frames of an index without gaps between them; none if there is none of this version.

    Another process may write the index meanwhile; what is missing then is found by the next reading.
    Raises `OSError`.
    """
    frames: list[FileFrame] = []
    end = 0
    for found in _all_frames(directory, fingerprint):
        meta = found.frame.meta
        if meta.first < end and meta.first + meta.rows <= end:
            continue  # these rows have become a segment, and the chunk is about to be removed
        if meta.first != end:
            break
        frames.append(found)
        end += meta.rows
    return frames


def _all_frames(directory: Path, fingerprint: int) -> Iterator[FileFrame]:
    for name in (SEGMENTS, RECENT):
        try:
            file = IndexFile(directory / name)
        except FileNotFoundError:
            continue
        for frame in file.frames(fingerprint):
            yield FileFrame(file, frame)
