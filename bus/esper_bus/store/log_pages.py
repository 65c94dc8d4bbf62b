"""Pages of a run's log by position, also while it is written, without reading it from its beginning."""

from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from mcap.records import Channel

from esper_bus.mcap.event_channels import META_TOPIC, StreamChannel
from esper_bus.mcap.reader import FileMessage, chunks_from
from esper_bus.records import RawRecord, record_data, take_batch
from esper_bus.store.run_files import log_files

_MARK_BYTES = 256 * 1024


class LogPage(NamedTuple):
    """Events of a log one after another; `at_end` if it held no more when it was read."""

    first: int
    records: list[RawRecord]
    at_end: bool


class _Mark(NamedTuple):
    """A chunk, and how many events of the log stand before it."""

    position: int
    file: int
    offset: int


class LogPages:
    """The log of one run directory; remembers where its chunks are, as far as it was read."""

    def __init__(self, run_dir: Path) -> None:
        self._run_dir = run_dir
        self._files: list[Path] = []
        self._channels: list[dict[int, Channel]] = []
        self._marks = [_Mark(0, 0, 0)]

    def read(self, first: int, max_events: int, max_bytes: int) -> Iterator[LogPage | None]:
        """The page of the events from `first` on; None after each piece of work before it.

        A page holds at least one event if there is one. Raises `OSError` where a file cannot be read.
        """
        records: list[RawRecord] = []
        size = 0
        position = 0
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
        mark = self._marks[bisect_right(self._marks, first, key=lambda mark: mark.position) - 1]
        position, number, offset = mark
        while number < len(self._files) or self._find_files(number):
            channels = self._channels[number]
            streams: dict[int, StreamChannel] = {}
            with self._files[number].open("rb") as file:
                for begin, messages in chunks_from(file, offset, channels):
                    self._remember(_Mark(position, number, begin))
                    records = records_of(messages, streams)
                    yield position, records
                    position += len(records)
            number, offset = number + 1, 0

    def _find_files(self, number: int) -> bool:
        """Whether there is a file of this number, now that the directory was looked at again."""
        self._files = log_files(self._run_dir).logs
        self._channels += ({} for _ in self._files[len(self._channels) :])
        return number < len(self._files)

    def _remember(self, mark: _Mark) -> None:
        last = self._marks[-1]
        far = mark.file > last.file or mark.offset - last.offset >= _MARK_BYTES
        if mark.position > last.position and far:
            self._marks.append(mark)


def records_of(messages: list[FileMessage], streams: dict[int, StreamChannel]) -> list[RawRecord]:
    """The events among the messages of a file; `streams` remembers its channels."""
    records = []
    for channel, sequence, log_time, publish_time, data in messages:
        if channel.topic == META_TOPIC:
            continue
        stream = streams.get(channel.id)
        if stream is None:
            stream = streams[channel.id] = StreamChannel(channel.metadata)
        records.append(RawRecord(stream.key, stream.seq(sequence), publish_time, log_time, data))
    return records
