"""The messages that carry the events of a run's log, as they are logged, from an aggregator to subscribers.

Topic `event/<run>`, a head of fixed form, and events that stand in the log one after another; without
events the message only says how far the log goes.
"""

import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec

from esper_bus.limits import BATCH_BYTES, BATCH_EVENTS
from esper_bus.names import is_name
from esper_bus.protocol.frames import FrameError, Frames, VersionError
from esper_bus.records import RawRecord

VERSION = 1
TOPIC = b"event/"
_HEAD = struct.Struct("<B7xQQ")  # version, agg_epoch, first

LoggedEvent = tuple[str, int, int, int, int, bytes]
"""Producer, epoch, seq, emitted_ns, received_ns, and the encoded event."""

_decoder = msgspec.msgpack.Decoder(list[LoggedEvent])


class EventBatch(NamedTuple):
    """Events of one run; the first of them is number `first` of the run's log, counted from 0."""

    run: str
    agg_epoch: int
    first: int
    records: list[RawRecord]


def to_wire(records: Sequence[RawRecord]) -> list[LoggedEvent]:
    """Records of one run in the form in which messages carry them."""
    return [(r.producer, r.epoch, r.seq, r.emitted_ns, r.received_ns, r.data) for r in records]


def from_wire(run: str, events: Sequence[LoggedEvent]) -> list[RawRecord]:
    """The records that a message carries."""
    return [RawRecord(run, *event) for event in events]


def encode_batch(batch: EventBatch) -> Frames:
    """The frames of a batch."""
    head = _HEAD.pack(VERSION, batch.agg_epoch, batch.first)
    body = msgspec.msgpack.encode(to_wire(batch.records))
    return [TOPIC + batch.run.encode(), head, body]


def parse_batch(frames: Sequence[bytes]) -> EventBatch:
    """The batch that frames carry. Raises `FrameError`, `VersionError` for another version."""
    if len(frames) != 3 or not frames[0].startswith(TOPIC) or not frames[1]:
        raise FrameError("not a batch of events")
    topic, head, body = frames
    if head[0] != VERSION:
        raise VersionError(f"version {head[0]}")
    run = topic[len(TOPIC) :].decode(errors="replace")
    if len(head) != _HEAD.size or not is_name(run):
        raise FrameError("not a batch of events")
    _, agg_epoch, first = _HEAD.unpack(head)
    try:
        return EventBatch(run, agg_epoch, first, from_wire(run, _decoder.decode(body)))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, OverflowError) as error:
        raise FrameError(str(error)) from error


def split(batch: EventBatch) -> Iterator[EventBatch]:
    """The same events as batches of bounded size."""
    start = size = 0
    for index, record in enumerate(batch.records):
        if index > start and (index - start >= BATCH_EVENTS or size + len(record.data) > BATCH_BYTES):
            yield batch._replace(first=batch.first + start, records=batch.records[start:index])
            start, size = index, 0
        size += len(record.data)
    yield batch._replace(first=batch.first + start, records=batch.records[start:])
