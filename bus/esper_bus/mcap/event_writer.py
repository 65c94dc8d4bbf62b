"""Writes events to MCAP files: each stream is a channel, each event a message."""

from collections.abc import Iterable
from itertools import groupby
from operator import attrgetter
from pathlib import Path

import msgspec

from esper_bus.mcap.event_channels import EVENT_SCHEMA, META_TOPIC, FileMeta, channel_metadata, event_schema
from esper_bus.mcap.writer import McapWriter
from esper_bus.names import epoch_hex
from esper_bus.records import Batch, RawRecord, StreamKey


class EventWriter(McapWriter):
    """A new file of events, which begins with its description. Raises `OSError` if it cannot be created."""

    def __init__(self, path: Path, meta: FileMeta, *, compress: bool) -> None:
        super().__init__(path, compress=compress)
        channel = self.channel(META_TOPIC, "json", 0, {})
        self.message(channel, 0, meta.created_ns, meta.created_ns, msgspec.json.encode(meta))
        self._event_schema = self.schema(EVENT_SCHEMA, event_schema())
        self._streams: dict[StreamKey, int] = {}

    def append(self, records: Iterable[RawRecord]) -> None:
        """Add records; they are in the file once `flush` has returned."""
        for stream, group in groupby(records, attrgetter("stream")):
            messages = [(r.seq, r.received_ns, r.emitted_ns, r.data) for r in group]
            self.messages(self._channel_of(stream, messages[0][0]), messages)

    def append_batch(self, stream: StreamKey, batch: Batch) -> None:
        """Add the events of a batch, received when they were emitted."""
        numbered = enumerate(batch.entries, batch.first)
        messages = [(seq, emitted_ns, emitted_ns, data) for seq, (emitted_ns, data) in numbered]
        self.messages(self._channel_of(stream, batch.first), messages)

    def begin_stream(self, stream: StreamKey, first: int) -> None:
        """Describe a stream that will begin with event `first`, if that was not done."""
        self._channel_of(stream, first)

    def _channel_of(self, stream: StreamKey, first: int) -> int:
        channel = self._streams.get(stream)
        if channel is None:
            topic = f"{stream.producer}/{epoch_hex(stream.epoch)}"
            metadata = channel_metadata(stream, first)
            channel = self._streams[stream] = self.channel(topic, "msgpack", self._event_schema, metadata)
        return channel
