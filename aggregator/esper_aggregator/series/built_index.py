"""An index that a reader builds for itself, where the log has none that can be used."""

import contextlib
import shutil
import tempfile
import weakref
from collections.abc import Sequence
from pathlib import Path

from esper_aggregator.cache import cache_entry, make_room
from esper_aggregator.fold.state_codec import fold_fingerprint
from esper_aggregator.series.frames import Coverage
from esper_aggregator.series.index_files import FileFrame, read_index
from esper_aggregator.series.index_writer import IndexWriter
from esper_aggregator.series.row_block import Block, RowBlock
from esper_aggregator.series.stored_blocks import block_at
from esper_bus.store.log_position import LogPosition, with_sizes
from esper_bus.store.run_files import RunFiles


class BuiltIndex:
    """Rows that are written to a temporary directory; what cannot be written stays in memory."""

    def __init__(self) -> None:
        self._directory: Path | None = None
        self._writer: IndexWriter | None = None
        self._in_memory: list[Block] = []
        self._read: list[Block] | None = []

    @property
    def blocks(self) -> Sequence[Block]:
        """The rows in their order."""
        if self._read is None and self._directory:
            self._read = [block_at(found) for found in read_index(self._directory, fold_fingerprint())]
        return [*(self._read or ()), *self._in_memory]

    def append(self, block: RowBlock, coverage: Coverage) -> None:
        """Append rows."""
        if not self._in_memory:
            with contextlib.suppress(OSError):
                self._opened().append(block, coverage)
                self._read = None
                return
        self._in_memory.append(block)

    def keep(self, path: Path, block: RowBlock, coverage: Coverage) -> None:
        """Move the index to the cache, with its last rows; this one must not be used any more.

        Raises `OSError`.
        """
        if self._in_memory or self._directory is None:
            return
        self._opened().write_tail(block, coverage)
        target = cache_directory(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        make_room(target.parent)
        shutil.rmtree(target, ignore_errors=True)
        shutil.move(self._directory, target)

    def _opened(self) -> IndexWriter:
        if self._writer is None or self._directory is None:
            self._directory = Path(tempfile.mkdtemp(prefix="esper-series-"))
            weakref.finalize(self, shutil.rmtree, self._directory, ignore_errors=True)
            self._writer = IndexWriter(self._directory, fold_fingerprint(), [])
        return self._writer


def cache_directory(path: Path) -> Path:
    """Return where the index of a run or file is kept."""
    return cache_entry("series", path)


def read_cached(path: Path, files: RunFiles) -> list[FileFrame]:
    """Return the frames of a kept index, if the files are those that it was built from; otherwise none."""
    try:
        frames = read_index(cache_directory(path), fold_fingerprint())
        place = frames[-1].frame.meta.coverage.place if frames else None
        return frames if place is not None and place == end_of(files) else []
    except OSError:
        return []


def end_of(files: RunFiles) -> LogPosition | None:
    """Return the end of all files of a run, logs and spools; None without any. Raises `OSError`."""
    paths = [*files.logs, *files.spools]
    return LogPosition.after(with_sizes(paths)) if paths else None
