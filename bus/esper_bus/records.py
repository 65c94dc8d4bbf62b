"""An event as bytes with its identity: what spools, logs and batches carry."""

from collections.abc import Iterable
from operator import itemgetter
from typing import NamedTuple

import msgspec

from esper_schemas.codec import decode_event
from esper_schemas.events import Record


class StreamKey(NamedTuple):
    """One start of one producer in one run; `seq` counts from 0 within it, without holes."""

    run: str
    producer: str
    epoch: int


class Entry(NamedTuple):
    """One encoded event of a known stream; `emitted_ns` is nanoseconds since 1970."""

    seq: int
    emitted_ns: int
    data: bytes


EntryTuple = tuple[int, int, bytes]
"""What an `Entry` is, without its names: where there are many, a plain tuple takes a fifth of the time."""
_data = itemgetter(2)


def data_size(entries: Iterable[EntryTuple]) -> int:
    """The bytes of all events together."""
    return sum(map(len, map(_data, entries)))


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
