"""One file of a spool: a run of events of one stream, and where in it each of them is."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from esper_bus.mcap.event_channels import (
    EventChannels,
    FileMeta,
    described_channel,
    open_channel,
    write_meta,
)
from esper_bus.mcap.reader import read_chunks
from esper_bus.mcap.writer import McapWriter
from esper_bus.names import epoch_hex
from esper_bus.records import Batch, Entry, RawRecord, StreamKey, data_size
from esper_bus.store.chunk_index import ChunkIndex

_OVERHEAD_BYTES = 64
"""What an event takes in a file beside its own bytes, at most."""


class Segment:
    """A new file, the `number`th of its spool, for the events from `first` on.

    `end` is the number after the last event in it. Raises `OSError` where it cannot be made.
    """

    def __init__(self, path: Path, key: StreamKey, number: int, first: int) -> None:
        self.end = first
        self._key = key
        self._writer = McapWriter(path, compress=False)
        meta = FileMeta(
            kind="spool",
            run=key.run,
            writer_epoch=epoch_hex(key.epoch),
            created_ns=time.time_ns(),
            ordinal=number,
            first_position=first,
        )
        self._channel = open_channel(self._writer, write_meta(self._writer, meta), key, first)
        self._index = ChunkIndex()
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
        """Its bytes."""
        return self._writer.size

    @property
    def empty(self) -> bool:
        """Whether there is no event in it."""
        return not self._index

    def write(self, batch: Batch) -> None:
        """Write events. Raises `OSError`, and has written none of them then."""
        offset = self._writer.size
        try:
            numbered = enumerate(batch.entries, batch.first)
            messages = [(seq, emitted_ns, emitted_ns, data) for seq, (emitted_ns, data) in numbered]
            self._writer.messages(self._channel, messages)
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
        begin, offset = self._index.find(first)
        channels = EventChannels([described_channel(self._channel, self._key, begin)])
        with self.path.open("rb") as file:
            for chunk in read_chunks(file, channels, offset):
                yield from (record for record in chunk.records if record.seq >= first)

    def sync(self) -> None:
        """Force what was written to the disk. Raises `OSError`."""
        self._writer.sync()

    def check(self) -> None:
        """Raises `FileDeletedError` if the file was deleted, as `write` and `sync` do."""
        self._writer.check()

    def abandon(self) -> None:
        """Close the file as it is."""
        self._writer.abandon()

    def finish(self) -> None:
        """Write the index and close the file. Raises `OSError` if it stays without; it is readable."""
        self._writer.close()


def size_of(entries: Sequence[Entry]) -> int:
    """How many bytes events take in a file, at most."""
    return data_size(entries) + _OVERHEAD_BYTES * len(entries)
