"""One file of a spool: consecutive events of one stream, and an index for reading from the middle."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from esper_bus.mcap.event_channels import EventChannels, FileMeta
from esper_bus.mcap.event_writer import EventWriter
from esper_bus.mcap.reader import read_chunks
from esper_bus.names import epoch_hex
from esper_bus.records import Batch, Entry, RawRecord, StreamKey, data_size
from esper_bus.store.chunk_index import ChunkIndex

_OVERHEAD_BYTES = 64
"""Upper bound for what an event takes in a file besides its own bytes."""


class Segment:
    """A new file, number `number` of its spool, for the events from `first` on.

    `end` is the number after its last event. Raises `OSError` if it cannot be created.
    """

    def __init__(self, path: Path, key: StreamKey, number: int, first: int) -> None:
        self.end = first
        self._key = key
        self._index = ChunkIndex()
        meta = FileMeta(
            kind="spool",
            run=key.run,
            writer_epoch=epoch_hex(key.epoch),
            created_ns=time.time_ns(),
            ordinal=number,
            first_position=first,
        )
        self._writer = EventWriter(path, meta, compress=False)
        self._writer.begin_stream(key, first)
        try:
            self._writer.flush()
        except OSError:
            self._writer.remove()
            raise

    @property
    def path(self) -> Path:
        """The file."""
        return self._writer.path

    @property
    def size(self) -> int:
        """Its size in bytes."""
        return self._writer.size

    @property
    def empty(self) -> bool:
        """Whether it has no events."""
        return not self._index

    def write(self, batch: Batch) -> None:
        """Write events. Raises `OSError`, with none written."""
        offset = self._writer.size
        try:
            self._writer.append_batch(self._key, batch)
            self._writer.flush()
        except BaseException:
            self._writer.rollback()
            raise
        self.end = batch.end
        self._index.add(batch.first, offset)

    def read_from(self, first: int) -> Iterator[RawRecord]:
        """The events from `first` on. Raises `OSError`."""
        if not self._index:
            return
        _, offset = self._index.find(first)
        with self.path.open("rb") as file:
            for chunk in read_chunks(file, EventChannels(self._writer.channels), offset):
                yield from (record for record in chunk.records if record.seq >= first)

    def sync(self) -> None:
        """Sync the file to the disk. Raises `OSError`."""
        self._writer.sync()

    def check(self) -> None:
        """Raise `FileDeletedError` if the file was deleted, as `write` and `sync` do."""
        self._writer.check()

    def abandon(self) -> None:
        """Close the file as it is."""
        self._writer.abandon()

    def finish(self) -> None:
        """Write the index and close the file. Raises `OSError` if it has no index then; it is readable."""
        self._writer.close()


def size_of(entries: Sequence[Entry]) -> int:
    """Upper bound for the bytes that events take in a file."""
    return data_size(entries) + _OVERHEAD_BYTES * len(entries)
