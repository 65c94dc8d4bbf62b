"""The messages that publish the events of a run's log to subscribers as they are logged.

Topic `event/<run>`, a head of fixed size, and consecutive events of the log; a message without events only
gives the length of the log.
"""

import struct
from collections.abc import Iterator, Sequence
from functools import cache, partial
from typing import NamedTuple

import msgspec

from esper_bus.limits import BATCH_BYTES, BATCH_EVENTS
from esper_bus.names import is_name
from esper_bus.protocol.frames import FrameError, Frames, VersionError, decode_body
from esper_bus.records import RawRecord, StreamKey, record_data, take_batch

VERSION = 1
TOPIC = b"event/"
_HEAD = struct.Struct("<B7xQQ")  # version, agg_epoch, first

# Producer, epoch, seq, emitted_ns, received_ns, encoded event; the run is named once for all events.
_decoder = msgspec.msgpack.Decoder(list[tuple[str, int, int, int, int, bytes]])


class EventBatch(NamedTuple):
    """Consecutive events of one run; the first has position `first` in the run's log, counted from 0."""

    run: str
    agg_epoch: int
    first: int
    records: list[RawRecord]


def encode_records(records: Sequence[RawRecord]) -> bytes:
    """Encode records of one run as a msgpack array, for messages."""
    return msgspec.msgpack.encode(
        [(*r.stream[1:], r.seq, r.emitted_ns, r.received_ns, r.data) for r in records]
    )


def decode_records(run: str, body: bytes | msgspec.Raw) -> list[RawRecord]:
    """Decode what `encode_records` made of records of this run. Raises `FrameError`."""
    stream = cache(partial(StreamKey, run))
    return [
        RawRecord(stream(producer, epoch), seq, emitted_ns, received_ns, data)
        for producer, epoch, seq, emitted_ns, received_ns, data in decode_body(_decoder, body)
    ]


def encode_batch(batch: EventBatch) -> Frames:
    """Encode a batch as frames."""
    head = _HEAD.pack(VERSION, batch.agg_epoch, batch.first)
    return [TOPIC + batch.run.encode(), head, encode_records(batch.records)]


def parse_batch(frames: Sequence[bytes]) -> EventBatch:
    """Parse the frames of a batch. Raises `FrameError`, `VersionError` for another version."""
    if len(frames) != 3 or not frames[0].startswith(TOPIC) or not frames[1]:
        raise FrameError("not a batch of events")
    topic, head, body = frames
    if head[0] != VERSION:
        raise VersionError(f"version {head[0]}")
    run = topic[len(TOPIC) :].decode(errors="replace")
    if len(head) != _HEAD.size or not is_name(run):
        raise FrameError("not a batch of events")
    _, agg_epoch, first = _HEAD.unpack(head)
    return EventBatch(run, agg_epoch, first, decode_records(run, body))


def split(batch: EventBatch) -> Iterator[EventBatch]:
    """Divide a batch into batches that fit into messages."""
    first, rest = batch.first, batch.records
    while rest:
        records = take_batch(rest, BATCH_EVENTS, BATCH_BYTES, record_data)
        yield batch._replace(first=first, records=records)
        first, rest = first + len(records), rest[len(records) :]
