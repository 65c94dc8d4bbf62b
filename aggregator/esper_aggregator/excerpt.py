"""Cuts a range of updates out of a recorded run; the excerpt is a run of its own.

Its events are numbered from 0 under epochs of their own, so that what is left out is no loss, and so that the
excerpt can never be taken for a part of its original. It begins with what the events in it depend on: the
start of each trainer, which says what is left out, and the descriptions of metrics.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from msgspec import structs

from esper_aggregator.fold.fold import FOLD_VERSION
from esper_aggregator.past.update_range import PositionRange, range_of_updates
from esper_bus.mcap.reader import OnDamage, ignore_damage
from esper_bus.names import check_name, new_epoch
from esper_bus.records import RawRecord, StreamKey
from esper_bus.store.copies import check_target, write_copy
from esper_bus.store.run_reader import read_raw, readable_files, run_name
from esper_schemas.codec import decode_event, encode_event
from esper_schemas.errors import InvalidArgument
from esper_schemas.events import Annotated, MetricDefined, RunStarted, ScalarsLogged

FILE_SUFFIX = ".mcap"


class Excerpt(NamedTuple):
    """What an excerpt has: the number of its events, and a description with what it leaves out."""

    events: int
    text: str


def cut(
    path: Path,
    out: Path,
    first: int | None = None,
    last: int | None = None,
    on_damage: OnDamage = ignore_damage,
) -> Excerpt:
    """Write the updates `first` to `last` of a run, both included, to a run directory or .mcap file `out`.

    The name of the excerpt is that of `out`. Raises `EsperError` if there is nothing to read, for updates
    that the run does not have, and if `out` exists, cannot name a run, lies within the run or cannot be
    written.
    """
    if first is None and last is None:
        raise InvalidArgument("An excerpt needs a first or a last update; name one of them.")
    check_target(path, out)
    as_file = out.suffix == FILE_SUFFIX
    name = check_name("run", out.stem if as_file else out.resolve().name)
    span = range_of_updates(path, first, last, on_damage)
    later = _later_notes(islice(read_raw(path), span.last, None), first, last)
    text = _describe(run_name(path), span, first, last, len(later))
    records = _Renumbering(name).renumbered(_records(read_raw(path), span, text, first, later))
    version = max(readable_files(path).fold_versions, default=FOLD_VERSION)
    return Excerpt(write_copy(records, out, name, as_file=as_file, fold_version=version), text)


def _describe(run: str, span: PositionRange, first: int | None, last: int | None, notes: int) -> str:
    begin = "its beginning" if first is None else f"update {first:,}"
    end = "its end" if last is None else f"update {last:,}"
    before, behind = span.first, span.events - span.last - notes
    left_out = f"{before:,} events before and {behind:,} behind are left out"
    return f"an excerpt of {run} from {begin} to {end}; {left_out}"


def _later_notes(records: Iterable[RawRecord], first: int | None, last: int | None) -> list[RawRecord]:
    """The notes behind a range that are about its updates."""
    notes = ((record, decode_event(record.data)) for record in records)
    return [
        record
        for record, event in notes
        if isinstance(event, Annotated) and _is_within(event.update, first, last)
    ]


def _is_within(update: int | None, first: int | None, last: int | None) -> bool:
    return update is not None and (first or 0) <= update and (last is None or update <= last)


def _records(
    records: Iterable[RawRecord],
    span: PositionRange,
    text: str,
    first: int | None,
    later: Sequence[RawRecord],
) -> Iterator[RawRecord]:
    """The records of a range, between those that they depend on and the later notes about it."""
    rest = iter(records)
    beginning = _Beginning()
    for record in islice(rest, span.first):
        beginning.add(record)
    for record in beginning.records(resumed_from=(first or 1) - 1):
        yield _marked(record, text)
    for record in islice(rest, span.last - span.first):
        yield _marked(record, text)
    yield from later


def _marked(record: RawRecord, text: str) -> RawRecord:
    """A record; the start of a trainer says what the excerpt leaves out."""
    event = decode_event(record.data)
    if not isinstance(event, RunStarted):
        return record
    return structs.replace(record, data=encode_event(structs.replace(event, excerpt=text)))


class _Beginning:
    """What the events of an excerpt depend on, gathered from the events before it."""

    def __init__(self) -> None:
        self._starts: dict[str, RawRecord] = {}
        self._metrics: dict[str, RawRecord] = {}
        self._thresholds = ""
        self._logging: set[str] = set()

    def add(self, record: RawRecord) -> None:
        """Take note of an event before the excerpt."""
        match decode_event(record.data):
            case RunStarted(thresholds=thresholds):
                self._thresholds = thresholds or self._thresholds
                self._starts[record.stream.producer] = record
            case MetricDefined(metric):
                self._metrics[metric.name] = record
            case ScalarsLogged():
                self._logging.add(record.stream.producer)

    def records(self, resumed_from: int) -> Iterator[RawRecord]:
        """The last start of each producer, with the bounds of the run, and the descriptions of metrics.

        `resumed_from` is the last update before the excerpt: those of logged values are numbered from it on.
        """
        for producer, record in self._starts.items():
            event = decode_event(record.data)
            if isinstance(event, RunStarted):
                event = structs.replace(event, thresholds=event.thresholds or self._thresholds)
                if producer in self._logging:
                    event = structs.replace(event, resumed_from=resumed_from)
                yield structs.replace(record, data=encode_event(event))
        yield from self._metrics.values()


class _Renumbering:
    """Gives events the identities of another run, whose streams begin with number 0."""

    def __init__(self, run: str) -> None:
        self._run = run
        self._streams: dict[StreamKey, StreamKey] = {}
        self._next_seqs: dict[StreamKey, int] = {}

    def renumbered(self, records: Iterable[RawRecord]) -> Iterator[RawRecord]:
        """The records with their new identities."""
        for record in records:
            stream = self._streams.get(record.stream)
            if stream is None:
                stream = StreamKey(self._run, record.stream.producer, new_epoch())
                self._streams[record.stream] = stream
            seq = self._next_seqs.get(stream, 0)
            self._next_seqs[stream] = seq + 1
            yield structs.replace(record, stream=stream, seq=seq)
