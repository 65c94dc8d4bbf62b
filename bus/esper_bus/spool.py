"""The file into which one start of a trainer writes every event before anybody hears of it."""

import time
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence

from mcap.records import Channel

from esper_bus.layout import RunPaths
from esper_bus.mcap_reader import messages_from
from esper_bus.mcap_writer import McapWriter
from esper_bus.names import epoch_hex
from esper_bus.records import Entry, StreamKey
from esper_bus.spool_lock import SpoolLock
from esper_bus.streams import FileMeta, StreamChannel, open_channel, stream_metadata, write_meta

_MARK_BYTES = 256 * 1024


class SpoolWriter:
    """The spool of one stream. Raises `OSError` where it cannot be made."""

    def __init__(self, paths: RunPaths, key: StreamKey) -> None:
        self.path = paths.spool_file(key.producer, key.epoch)
        self._lock = SpoolLock(self.path)
        try:
            self._writer = self._begin(key)
        except OSError:
            self._lock.release(remove=True)
            raise
        self._marks = array("Q")  # first event of a chunk...
        self._offsets = array("Q")  # ...and where it begins, one for each _MARK_BYTES

    def _begin(self, key: StreamKey) -> McapWriter:
        writer = McapWriter(self.path, compress=False)
        meta = FileMeta(
            kind="spool", run=key.run, writer_epoch=epoch_hex(key.epoch), created_ns=time.time_ns()
        )
        schema = write_meta(writer, meta)
        self._key = key
        self._channel = open_channel(writer, schema, key, 0)
        try:
            writer.flush()
        except OSError:
            writer.remove()
            raise
        return writer

    def write(self, entries: Sequence[Entry]) -> None:
        """Write events; when this returns, a kill of the process cannot lose them.

        Raises `OSError`, and has written none of them then.
        """
        if not entries:
            return
        offset = self._writer.size
        try:
            for seq, emitted_ns, data in entries:
                self._writer.message(self._channel, seq, emitted_ns, emitted_ns, data)
            self._writer.flush()
        except BaseException:
            self._writer.rollback()
            raise
        if not self._offsets or offset - self._offsets[-1] >= _MARK_BYTES:
            self._marks.append(entries[0].seq)
            self._offsets.append(offset)

    def read(self, first: int, max_events: int, max_bytes: int) -> list[Entry]:
        """Consecutive events from `first` on, or from the first one behind it that was written.

        Empty if there is none. Raises `OSError`.
        """
        mark = max(0, bisect_right(self._marks, first) - 1)
        entries: list[Entry] = []
        size = 0
        for entry in self._entries_from(mark):
            if entry.seq < first:
                continue
            size += len(entry.data)
            full = len(entries) >= max_events or size > max_bytes
            if entries and (full or entry.seq != entries[-1].seq + 1):
                break
            entries.append(entry)
        return entries

    def sync(self) -> None:
        """Force what was written to the disk. Raises `OSError`."""
        self._writer.sync()

    def close(self, *, delivered: bool = False) -> None:
        """Finish the file. Raises `OSError` if it stays unfinished; it is readable all the same.

        Unless all of it was `delivered`, an aggregator will adopt what its log lacks.
        """
        try:
            self._writer.close()
        finally:
            self._lock.release(remove=delivered)

    def _entries_from(self, mark: int) -> Iterator[Entry]:
        if not self._marks:
            return
        metadata = stream_metadata(self._key, self._marks[mark])
        stream = StreamChannel(metadata)
        channel = Channel(self._channel, "", "msgpack", metadata, 0)
        with self.path.open("rb") as file:
            for message in messages_from(file, self._offsets[mark], {self._channel: channel}):
                yield Entry(stream.seq(message.sequence), message.publish_time, message.data)
