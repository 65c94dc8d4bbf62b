"""Checks whether a log is complete and intact, stream by stream."""

from collections import Counter
from pathlib import Path

import msgspec

from esper_bus.mcap.reader import Damage
from esper_bus.mcap.salvage import salvage_file
from esper_bus.records import StreamKey
from esper_bus.store.merged_streams import MergedStreams
from esper_bus.store.run_reader import readable_files
from esper_schemas.codec import decode_event
from esper_schemas.events import EventsDropped, Undecodable, Unknown


class ProducerCount(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of the events of one start of one producer."""

    producer: str
    epoch: int
    events: int
    gaps: int
    duplicates: int


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """The content of a run or file, and its defects.

    `dropped` counts events that trainers reported as lost before they were written, `rejected` byte strings
    that are not events, `unknown` events of kinds that this version does not know. `ok` means that nothing is
    missing, repeated, rejected or damaged.
    """

    ok: bool
    events: int
    producers: tuple[ProducerCount, ...]
    dropped: int
    rejected: int
    unknown: int
    damaged: tuple[Damage, ...]


def verify(path: Path) -> Verification:
    """Read all of a run or file, including what is behind damage, and check it.

    Raises `InvalidArgument` if there is nothing to read.
    """
    damaged: list[Damage] = []
    merge = MergedStreams(readable_files(path), damaged.append, salvage_file)
    events: Counter[StreamKey] = Counter()
    dropped = rejected = unknown = 0
    for record in merge.records():
        events[record.stream] += 1
        event = decode_event(record.data)
        dropped += event.count if isinstance(event, EventsDropped) else 0
        rejected += isinstance(event, Undecodable)
        unknown += isinstance(event, Unknown)
    faults = merge.gaps.total() + merge.duplicates.total() + rejected + len(damaged)
    return Verification(
        ok=faults == 0,
        events=events.total(),
        producers=tuple(_count(key, events, merge) for key in sorted(events)),
        dropped=dropped,
        rejected=rejected,
        unknown=unknown,
        damaged=tuple(damaged),
    )


def _count(key: StreamKey, events: "Counter[StreamKey]", merge: MergedStreams) -> ProducerCount:
    return ProducerCount(
        producer=key.producer,
        epoch=key.epoch,
        events=events[key],
        gaps=merge.gaps[key],
        duplicates=merge.duplicates[key],
    )
