"""Pages of a run's log by position, also while it is written, without reading it from its beginning."""

from bisect import bisect_right
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import NamedTuple

from esper_bus.mcap.event_channels import EventChannels
from esper_bus.mcap.reader import read_chunks
from esper_bus.records import RawRecord, record_data, take_batch
from esper_bus.store.chunk_index import ChunkIndex
from esper_bus.store.run_files import log_files


class LogPage(NamedTuple):
    """Consecutive events of a log; `at_end` if it held no more when it was read."""

    first: int
    records: list[RawRecord]
    at_end: bool


class _LogFile:
    """A file of a log, whose first event has the position `first`."""

    def __init__(self, path: Path, first: int) -> None:
        self.first = first
        self._path = path
        self._channels = EventChannels()
        self._index = ChunkIndex()
        self._index.add(first, 0)

    def read(self, position: int) -> Iterator[tuple[int, list[RawRecord]]]:
        """The position of the first event, and the events, of each chunk from near `position` on."""
        begin, offset = self._index.find(position)
        with self._path.open("rb") as file:
            for chunk in read_chunks(file, self._channels, offset):
                self._index.add(begin, chunk.begin)
                yield begin, chunk.records
                begin += len(chunk.records)


class LogPages:
    """The log of one run directory; remembers where its chunks are, as far as it was read."""

    def __init__(self, run_dir: Path) -> None:
        self._run_dir = run_dir
        self._files: list[_LogFile] = []

    def read(self, first: int, max_events: int, max_bytes: int) -> Iterator[LogPage | None]:
        """The page of the events from `first` on; None after each piece of work before it.

        A page holds at least one event if there is one. Raises `OSError` where a file cannot be read.
        """
        records: list[RawRecord] = []
        size = 0
        for position, chunk in self._chunks_from(first):
            new = chunk[max(0, first - position) :]
            records += new
            size += sum(map(len, map(record_data, new)))
            if len(records) > max_events or size > max_bytes:
                page = take_batch(records, max_events, max_bytes, record_data)
                if len(page) < len(records):
                    yield LogPage(first, page, at_end=False)
                    return
            yield None
        yield LogPage(first, records, at_end=True)

    def _chunks_from(self, first: int) -> Iterator[tuple[int, list[RawRecord]]]:
        start = max(0, bisect_right(self._files, first, key=lambda file: file.first) - 1)
        position = self._files[start].first if self._files else 0
        for number in count(start):
            if number == len(self._files) and not self._find_file(number, position):
                return
            for begin, records in self._files[number].read(first):
                yield begin, records
                position = begin + len(records)

    def _find_file(self, number: int, first: int) -> bool:
        """Whether the log has a file of this number by now; it begins with event `first`."""
        logs = log_files(self._run_dir).logs
        self._files += (_LogFile(path, first) for path in logs[number : number + 1])
        return number < len(self._files)
