"""Merges the files of a run into one stream of events, each event once."""

import heapq
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from operator import attrgetter
from pathlib import Path

from esper_bus.expected_sequence import ExpectedSequence
from esper_bus.mcap.reader import OnDamage, read_file
from esper_bus.paths import spool_file_order
from esper_bus.records import RawRecord, StreamKey
from esper_bus.store.run_files import RunFiles

ReadFile = Callable[[Path, OnDamage], Iterator[RawRecord]]


class MergedStreams:
    """The events of some files; `gaps` and `duplicates` say which numbers were wrong, once they were read.

    `gaps` counts missing events per stream, `duplicates` events that the log has more than once. With a
    `read` that yields what is new in a file, `records` may be called again when the files have grown.
    `next_seqs` are the numbers of the first events of streams that were partly read before.
    """

    def __init__(
        self,
        files: RunFiles,
        on_damage: OnDamage,
        read: ReadFile | None = None,
        next_seqs: Mapping[StreamKey, int] | None = None,
    ) -> None:
        self._read = read or read_file
        self.gaps: Counter[StreamKey] = Counter()
        self.duplicates: Counter[StreamKey] = Counter()
        self._files = files
        self._on_damage = on_damage
        self._expected = {key: ExpectedSequence(seq) for key, seq in (next_seqs or {}).items()}
        self._truncated: dict[StreamKey, int] = {}  # a log elsewhere has what a spool no longer has

    def add_files(self, files: RunFiles) -> None:
        """Read these files from now on."""
        self._files = files

    def records(self) -> Iterator[RawRecord]:
        """The log in its order, with gaps filled from the spools, then the rest of the spools.

        Events that only the spools have are ordered by time; a stream is always in its own order.
        """
        spools = self._open_spools()
        for path in self._files.logs:
            for record in self._read(path, self._on_damage):
                expected = self._expected.get(record.stream)
                if expected is not None and expected.take(record.seq):  # as nearly all are
                    yield record
                else:
                    yield from self._unexpected(record, spools)
        for key, first in self._truncated.items():
            self._expected.setdefault(key, ExpectedSequence(first))
        rests = [self._spooled(spool, None) for spool in spools.values()]
        yield from heapq.merge(*rests, key=attrgetter("emitted_ns"))

    def _unexpected(self, record: RawRecord, spools: dict[StreamKey, "_Peekable"]) -> Iterator[RawRecord]:
        """An event of the log that is the first of its stream, repeated or behind a gap."""
        key = record.stream
        first = ExpectedSequence(0 if self._files.whole else record.seq)
        expected = self._expected.setdefault(key, first)
        if expected.repeated(record.seq, 1):
            self.duplicates[key] += 1
            return
        if expected.missing_before(record.seq) and key in spools:
            yield from self._spooled(spools[key], record.seq)
        yield self._take(record, expected)

    def _spooled(self, spool: "_Peekable", end: int | None) -> Iterator[RawRecord]:
        for record in spool.until(end):
            expected = self._expected.setdefault(record.stream, ExpectedSequence())
            if not expected.repeated(record.seq, 1):
                yield self._take(record, expected)

    def _take(self, record: RawRecord, expected: ExpectedSequence) -> RawRecord:
        missing = expected.skip_to(record.seq)
        if missing:
            self.gaps[record.stream] += missing
        expected.take(record.seq)
        return record

    def _open_spools(self) -> dict[StreamKey, "_Peekable"]:
        spools: dict[StreamKey, list[Iterator[RawRecord]]] = {}
        for path in self._files.spools:
            spool = _Peekable(self._read(path, self._on_damage))
            if spool.head is not None:
                key = spool.head.stream
                if key not in spools and spool_file_order(path)[1]:
                    self._truncated.setdefault(key, spool.head.seq)
                spools.setdefault(key, []).append(spool.until(None))
        by_seq = attrgetter("seq")
        return {key: _Peekable(heapq.merge(*files, key=by_seq)) for key, files in spools.items()}


class _Peekable:
    """Records of which the next one, `head`, can be seen without taking it."""

    def __init__(self, records: Iterator[RawRecord]) -> None:
        self._records = records
        self.head = next(records, None)

    def until(self, end: int | None) -> Iterator[RawRecord]:
        """Take the records before number `end`, all of them for None."""
        while self.head is not None and (end is None or self.head.seq < end):
            record, self.head = self.head, next(self._records, None)
            yield record
