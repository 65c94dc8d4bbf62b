"""Makes one stream of events out of the files of a run, each event once."""

import heapq
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from esper_bus.mcap.reader import OnDamage, read_file
from esper_bus.paths import spool_place
from esper_bus.records import RawRecord, StreamKey
from esper_bus.store.run_files import RunFiles

ReadFile = Callable[[Path, OnDamage], Iterator[RawRecord]]


class MergedStreams:
    """The events of some files; after reading them it says what was wrong with their numbers.

    `gaps` counts missing events per stream, `duplicates` events that the log has more than once. With a
    `read` that gives what is new in a file, `records` may be asked again when the files have grown. `expect`
    says which event of a stream comes first, where others were read before.
    """

    def __init__(
        self,
        files: RunFiles,
        on_damage: OnDamage,
        read: "ReadFile | None" = None,
        expect: Mapping[StreamKey, int] | None = None,
    ) -> None:
        self._read = read or read_file
        self.gaps: Counter[StreamKey] = Counter()
        self.duplicates: Counter[StreamKey] = Counter()
        self._files = files
        self._on_damage = on_damage
        self._begun_later: dict[StreamKey, int] = {}  # what a spool has no longer is in a log elsewhere
        self._expect: dict[StreamKey, int] = dict(expect or {})

    def add_files(self, files: RunFiles) -> None:
        """Read these files from now on."""
        self._files = files

    def records(self) -> Iterator[RawRecord]:
        """The log in its order, its holes filled from the spools, then the rest of the spools.

        What only the spools have comes by time; a stream is always in its own order.
        """
        spools = self._open_spools()
        for path in self._files.logs:
            for record in self._read(path, self._on_damage):
                if self._continues(record):
                    yield record
                else:
                    yield from self._logged(record, spools)
        for key, first in self._begun_later.items():
            self._expect.setdefault(key, first)
        rests = [self._spooled(spool, None) for spool in spools.values()]
        yield from heapq.merge(*rests, key=_emitted_ns)

    def _continues(self, record: RawRecord) -> bool:
        """Whether an event is the one to expect of its stream, as nearly all are; then it counts as taken."""
        if self._expect.get(record.stream) != record.seq:
            return False
        self._expect[record.stream] = record.seq + 1
        return True

    def _logged(self, record: RawRecord, spools: "dict[StreamKey, _Ahead]") -> Iterator[RawRecord]:
        key = record.stream
        expect = self._expect.setdefault(key, 0 if self._files.whole else record.seq)
        if record.seq < expect:
            self.duplicates[key] += 1
            return
        if record.seq > expect and key in spools:
            yield from self._spooled(spools[key], record.seq)
        yield self._take(record)

    def _spooled(self, spool: "_Ahead", end: int | None) -> Iterator[RawRecord]:
        for record in spool.until(end):
            if record.seq >= self._expect.get(record.stream, 0):
                yield self._take(record)

    def _take(self, record: RawRecord) -> RawRecord:
        key = record.stream
        missing = record.seq - self._expect.get(key, 0)
        if missing:
            self.gaps[key] += missing
        self._expect[key] = record.seq + 1
        return record

    def _open_spools(self) -> "dict[StreamKey, _Ahead]":
        spools: dict[StreamKey, list[Iterator[RawRecord]]] = {}
        for path in self._files.spools:
            spool = _Ahead(self._read(path, self._on_damage))
            if spool.head is not None:
                key = spool.head.stream
                if key not in spools and spool_place(path)[1]:
                    self._begun_later.setdefault(key, spool.head.seq)
                spools.setdefault(key, []).append(spool.until(None))
        return {key: _Ahead(heapq.merge(*files, key=_seq)) for key, files in spools.items()}


class _Ahead:
    """Records of which the next one, `head`, can be seen without taking it."""

    def __init__(self, records: Iterator[RawRecord]) -> None:
        self._records = records
        self.head = next(records, None)

    def until(self, end: int | None) -> Iterator[RawRecord]:
        """Take the records before number `end`, all of them for None."""
        while self.head is not None and (end is None or self.head.seq < end):
            record, self.head = self.head, next(self._records, None)
            yield record


def _emitted_ns(record: RawRecord) -> int:
    return record.emitted_ns


def _seq(record: RawRecord) -> int:
    return record.seq
