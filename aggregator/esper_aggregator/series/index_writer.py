"""Writes the index of a run's series, so that a kill at any moment leaves an index of fewer rows."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from zlib import crc32

from esper_aggregator.series.chunk_format import encode_chunk
from esper_aggregator.series.frames import Coverage, FrameKind, FrameMeta, encode_frame, file_head
from esper_aggregator.series.index_files import (
    RECENT,
    SEGMENTS,
    FileFrame,
    coverage_of,
    read_index,
)
from esper_aggregator.series.row_block import RowBlock, joined_blocks
from esper_aggregator.series.segment_format import encode_segment
from esper_aggregator.series.stored_blocks import DamagedIndexError, block_at

SEGMENT_ROWS = 16_384
"""The number of rows that become a segment: a column of it is read at once, and writing it takes memory."""


class IndexWriter:
    """Appends rows to the index in a directory, which is created when there is something to write.

    `index` are the frames that are valid there; all others are overwritten. Only one process may write. Its
    methods raise `OSError` where writing fails and `DamagedIndexError` if the files were changed by others.
    """

    def __init__(self, directory: Path, fingerprint: int, index: Sequence[FileFrame]) -> None:
        self._directory = directory
        self._fingerprint = fingerprint
        self._head = file_head(fingerprint)
        frames = [found.frame for found in index]
        segments = [frame for frame in frames if frame.kind is FrameKind.SEGMENT]
        chunks = [frame for frame in frames if frame.kind is FrameKind.CHUNK]
        self._rows = sum(frame.meta.rows for frame in frames)
        self._segment_rows = sum(frame.meta.rows for frame in segments)
        self._segments_end = segments[-1].end if segments else 0
        self._recent_end = chunks[-1].end if chunks else 0

    @property
    def rows(self) -> int:
        """The number of rows that were appended for good."""
        return self._rows

    def append(self, block: RowBlock, coverage: Coverage) -> None:
        """Append rows for good."""
        self._recent_end = self._write_chunk(block, coverage)
        self._rows += block.length
        if self._rows - self._segment_rows >= SEGMENT_ROWS:
            self._make_segment()

    def write_tail(self, block: RowBlock, coverage: Coverage) -> None:
        """Write rows that are fewer than a chunk should have; the next ones that are written replace them."""
        self._write_chunk(block, coverage)

    def _write_chunk(self, block: RowBlock, coverage: Coverage) -> int:
        if not (self._recent_end or self._segments_end):  # segments that are there are of another index
            (self._directory / SEGMENTS).unlink(missing_ok=True)
        body = encode_chunk(block)
        meta = FrameMeta(first=self._rows, rows=block.length, coverage=coverage, checksum=crc32(body))
        return self._write(RECENT, self._recent_end, encode_frame(FrameKind.CHUNK, meta, body))

    def _make_segment(self) -> None:
        """Join the chunks to a segment."""
        index = read_index(self._directory, self._fingerprint)
        chunks = [block_at(found) for found in index if found.frame.kind is FrameKind.CHUNK]
        block = joined_blocks(chunks)
        if self._segment_rows + block.length != self._rows:
            raise DamagedIndexError("the index was changed while it was written")
        table, body = encode_segment(block)
        meta = FrameMeta(
            first=self._segment_rows, rows=block.length, coverage=coverage_of(index), table=table
        )
        self._segments_end = self._write(
            SEGMENTS, self._segments_end, encode_frame(FrameKind.SEGMENT, meta, body)
        )
        self._segment_rows = self._rows
        self._recent_end = self._write(RECENT, 0, b"")

    def _write(self, name: str, end: int, data: bytes) -> int:
        """Cut a file at `end`, the end of its last valid frame or 0, and append; returns the new end."""
        with _opened(self._directory / name) as fd:
            if os.fstat(fd).st_size < end:
                raise DamagedIndexError(f"{name} was shortened while it was written")
            if end == 0:
                data = self._head + data
            os.ftruncate(fd, end)
            rest = memoryview(data)
            while rest:
                rest = rest[os.pwrite(fd, rest, end + len(data) - len(rest)) :]
        return end + len(data)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    path.parent.mkdir(parents=True, exist_ok=True)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o644)
    try:
        yield fd
    finally:
        os.close(fd)
