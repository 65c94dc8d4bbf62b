"""The encoded forms of an event between `emit` and a reader.

An `Event` is encoded once, where it is emitted. As an `Entry` it waits in the queue, is written to the
spool and sent; consecutive entries of a stream travel as a `Batch`. From the aggregator on it is a
`RawRecord`, which says itself where it belongs. A reader decodes that to a `Record`.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from operator import attrgetter, itemgetter
from typing import NamedTuple, TypeVar

import msgspec

from esper_schemas.codec import decode_event
from esper_schemas.events import Record

_T = TypeVar("_T")


class StreamKey(NamedTuple):
    """One start of one producer in one run; `seq` counts from 0 within it, without gaps."""

    run: str
    producer: str
    epoch: int


Entry = tuple[int, bytes]
"""When an event was emitted, in nanoseconds since 1970, and the encoded event.

A plain tuple: there are many, and one with names takes five times as long to make.
"""

entry_data: Callable[[Entry], bytes] = itemgetter(1)


class RawRecord(msgspec.Struct, frozen=True, gc=False):
    """An encoded event with its identity, the stream and the number in it, and its two times.

    Times are nanoseconds since 1970; `received_ns` equals `emitted_ns` in a spool. All records of a stream
    share one `StreamKey`: making one for each record would take longer than reading it.
    """

    stream: StreamKey
    seq: int
    emitted_ns: int
    received_ns: int
    data: bytes

    def decoded(self) -> Record:
        """The record with its event decoded; bytes that are not an event become `Undecodable`."""
        run, producer, epoch = self.stream
        return Record(
            run=run,
            producer=producer,
            epoch=epoch,
            seq=self.seq,
            emitted_ns=self.emitted_ns,
            received_ns=self.received_ns,
            event=decode_event(self.data),
        )


record_data: Callable[[RawRecord], bytes] = attrgetter("data")


class Batch(msgspec.Struct, frozen=True):
    """Consecutive events of one stream, numbered from `first` on."""

    first: int
    entries: Sequence[Entry]

    @classmethod
    def of(cls, first: int, records: Sequence[RawRecord]) -> "Batch":
        """The batch of consecutive records of one stream; `first` is its number if there are none."""
        entries = [(record.emitted_ns, record.data) for record in records]
        return cls(records[0].seq if records else first, entries)

    @property
    def end(self) -> int:
        """The number after the last event."""
        return self.first + len(self.entries)

    def part(self, first: int, max_events: int, max_bytes: int) -> "Batch":
        """The part from event `first` on, or from the first event after it, within the limits."""
        skipped = max(0, first - self.first)
        rest = self.entries[skipped : skipped + max_events]
        return Batch(self.first + skipped, take_batch(rest, max_events, max_bytes, entry_data))


def take_batch(items: Iterable[_T], max_events: int, max_bytes: int, data: Callable[[_T], bytes]) -> list[_T]:
    """The first items, at most `max_events` and `max_bytes` of `data`, but at least one if there is one.

    Of an iterator, the first item that does not fit is consumed, too.
    """
    batch: list[_T] = []
    size = 0
    for item in islice(items, max_events):
        size += len(data(item))
        if size > max_bytes and batch:
            break
        batch.append(item)
    return batch


def consecutive(records: Iterable[RawRecord]) -> Iterator[RawRecord]:
    """The records up to the first that does not follow its predecessor in the same stream."""
    last: RawRecord | None = None
    for record in records:
        if last is not None and (record.seq != last.seq + 1 or record.stream != last.stream):
            return
        yield record
        last = record


def data_size(entries: Iterable[Entry]) -> int:
    """The bytes of all events together."""
    return sum(map(len, map(entry_data, entries)))
