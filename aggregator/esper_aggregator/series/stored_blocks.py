"""The rows of an index, read when they are needed."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from zlib import crc32

from esper_aggregator.series.chunk_format import decode_chunk
from esper_aggregator.series.frames import Frame, FrameKind
from esper_aggregator.series.index_files import FileFrame, IndexFile
from esper_aggregator.series.row_block import Block, Integers, RowBlock, Values
from esper_aggregator.series.segment_format import decode_column, decode_key
from esper_aggregator.series.segment_table import SegmentTable


class DamagedIndexError(Exception):
    """The index has to be built again."""


@dataclass(frozen=True)
class ChunkBlock:
    """The rows of a chunk, decoded when one of them is needed."""

    file: IndexFile
    frame: Frame

    @property
    def length(self) -> int:
        """The number of rows."""
        return self.frame.meta.rows

    @property
    def names(self) -> Sequence[str]:
        """The columns that any row has a value of."""
        return self.rows.names

    @cached_property
    def rows(self) -> RowBlock:
        """The rows in memory. Raises `DamagedIndexError`."""
        data = self.file.read(self.frame.body, self.frame.end - self.frame.body)
        if crc32(data) != self.frame.meta.checksum:
            raise DamagedIndexError("a chunk with a wrong checksum")
        try:
            return decode_chunk(data)
        except Exception as error:  # arbitrary bytes can raise anything in a parser
            raise DamagedIndexError(str(error)) from error

    def key(self, name: str) -> Integers:
        """Return one key of all rows."""
        return self.rows.key(name)

    def column(self, name: str) -> Values | None:
        """Return a column; None if no row has a value of it."""
        return self.rows.column(name)


class SegmentBlock:
    """The rows of a segment, of which each column is read when it is needed."""

    def __init__(self, file: IndexFile, frame: Frame) -> None:
        self._file = file
        self._frame = frame
        self._table = frame.meta.table or SegmentTable()
        self._keys: dict[str, Integers] = {}

    @property
    def length(self) -> int:
        """The number of rows."""
        return self._frame.meta.rows

    @property
    def names(self) -> Sequence[str]:
        """The columns that any row has a value of."""
        return tuple(self._table.columns)

    def key(self, name: str) -> Integers:
        """Return one key of all rows. Raises `DamagedIndexError`."""
        if name not in self._keys:
            try:
                self._keys[name] = decode_key(self._table, name, self.length, self._read)
            except Exception as error:  # arbitrary bytes can raise anything in a parser
                raise DamagedIndexError(str(error)) from error
        return self._keys[name]

    def column(self, name: str) -> Values | None:
        """Return a column; None if no row has a value of it. Raises `DamagedIndexError`."""
        if name not in self._table.columns:
            return None
        try:
            return decode_column(self._table.columns[name], self.length, self._read)
        except Exception as error:  # arbitrary bytes can raise anything in a parser
            raise DamagedIndexError(str(error)) from error

    def _read(self, offset: int, size: int) -> bytes:
        return self._file.read(self._frame.body + offset, size)


def block_at(found: FileFrame) -> Block:
    """Return the rows of a frame."""
    kind = SegmentBlock if found.frame.kind is FrameKind.SEGMENT else ChunkBlock
    return kind(found.file, found.frame)
