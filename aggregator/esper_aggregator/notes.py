"""Writes the notes of viewers into the logs of their runs.

Notes that are written at one place are one stream of their run, numbered like the events of a trainer; those
about a copy of the run, which were written elsewhere, are another one.
"""

import hashlib
import os
import socket
from collections import OrderedDict
from collections.abc import Callable
from contextlib import closing
from itertools import islice
from pathlib import Path

from msgspec import structs

from esper_aggregator.recording import Recording
from esper_bus.addresses import for_runs_dir
from esper_bus.host.aggregator_lock import AggregatorLock, aggregator_running
from esper_bus.mcap.reader import ignore_damage
from esper_bus.names import NOTES_PRODUCER, check_name, is_name, new_epoch
from esper_bus.net.note_client import send_note
from esper_bus.paths import RunPaths
from esper_bus.protocol.query_messages import Answer, NoteQuery, NoteWritten, Refusal
from esper_bus.records import RawRecord, StreamKey
from esper_bus.store.merged_streams import MergedStreams
from esper_bus.store.run_reader import readable_files
from esper_schemas.codec import encode_event
from esper_schemas.errors import EsperError, InvalidArgument
from esper_schemas.events import Annotated
from esper_schemas.notes import checked_note

_KEPT_ANSWERS = 256
_MAX_WAITING = 64
_PART_EVENTS = 1000
_BUSY = "The aggregator has too many notes to write; try again later."

_Waiting = tuple[bytes, int, NoteQuery]


class NoteService:
    """Takes notes, returns their records, and answers once those are in the log.

    `recording` opens the recording of a run. A note that arrives again is not written again.
    """

    def __init__(self, runs_dir: Path, recording: Callable[[str], Recording]) -> None:
        self._runs_dir = runs_dir
        self._recording = recording
        self._waiting: list[_Waiting] = []
        self._unwritten: list[tuple[bytes, int, NoteQuery, NoteWritten]] = []
        self._written: OrderedDict[NoteQuery, NoteWritten] = OrderedDict()
        self._next_seqs: dict[StreamKey, int] = {}
        self._refusals: list[tuple[bytes, int, Answer]] = []

    def submit(self, peer: bytes, number: int, query: NoteQuery) -> None:
        """Accept a note."""
        if len(self._waiting) >= _MAX_WAITING:
            self._refusals.append((peer, number, Refusal(_BUSY, temporary=True)))
        else:
            self._waiting.append((peer, number, query))

    def records(self, problem: str) -> list[RawRecord]:
        """Return the records of the accepted notes; while there is a `problem` with the log, refuse them."""
        waiting, self._waiting = self._waiting, []
        records: list[RawRecord] = []
        for peer, number, query in waiting:
            try:
                records += self._records_of(peer, number, query, problem)
            except (EsperError, OSError) as error:
                self._refusals.append((peer, number, Refusal(str(error))))
        return records

    def answers(self, *, written: bool) -> list[tuple[bytes, int, Answer]]:
        """Return the answers that are due; `written` tells that all records are in the log now."""
        answers, self._refusals = self._refusals, []
        if written:
            for peer, number, query, answer in self._unwritten:
                answers.append((peer, number, answer))
                self._written[query] = answer
            self._unwritten.clear()
            while len(self._written) > _KEPT_ANSWERS:
                self._written.popitem(last=False)
        return answers

    def _records_of(self, peer: bytes, number: int, query: NoteQuery, problem: str) -> list[RawRecord]:
        known = self._written.get(query) or self._being_written(query)
        if known is not None:
            self._unwritten.append((peer, number, query, known))
            return []
        if problem:
            raise InvalidArgument(f"The note cannot be written: {problem}")
        note = checked_note(query.text, query.who, query.update)
        recording = self._recording(_existing(self._runs_dir, query.run).name)
        if note.update is None:
            note = structs.replace(note, update=recording.update)
        record = note_record(self._runs_dir / query.run, recording, note, query.emitted_ns, self._next_seqs)
        self._unwritten.append((peer, number, query, NoteWritten(note.update)))
        return [record]

    def _being_written(self, query: NoteQuery) -> NoteWritten | None:
        return next((answer for _, _, other, answer in self._unwritten if other == query), None)


def note_record(
    run_dir: Path, recording: Recording, note: Annotated, emitted_ns: int, next_seqs: dict[StreamKey, int]
) -> RawRecord:
    """Return the record of a note; `next_seqs` has the numbers after notes that are not recorded yet."""
    stream = StreamKey(run_dir.name, NOTES_PRODUCER, _epoch(run_dir))
    seq = max(recording.next_seqs.get(stream, 0), next_seqs.get(stream, 0))
    next_seqs[stream] = seq + 1
    return RawRecord(stream, seq, emitted_ns, emitted_ns, encode_event(note))


def deliver_note(run_dir: Path, note: Annotated, emitted_ns: int) -> int | None:
    """Write a note about a run directory, through its aggregator if one is running; returns its update.

    Raises `EsperError` as `send_note` and `write_note` do.
    """
    run_dir = run_dir.resolve()
    if not aggregator_running(run_dir.parent):
        return write_note(run_dir, note, emitted_ns)
    query = NoteQuery(check_name("run", run_dir.name), note.text, note.who, emitted_ns, note.update)
    return send_note(for_runs_dir(run_dir.parent), query)


def write_note(run_dir: Path, note: Annotated, emitted_ns: int) -> int | None:
    """Write a note into the log of a run for which no aggregator runs; returns the update that it is about.

    Events of trainers that no aggregator has logged yet are logged before it. Raises `Refused` while an
    aggregator serves the directory of the run, and `StorageError` if the log cannot be written.
    """
    run_dir = run_dir.resolve()
    with AggregatorLock(run_dir.parent), closing(Recording(run_dir, new_epoch())) as recording:
        _log_spooled(run_dir, recording)
        if note.update is None:
            note = structs.replace(note, update=recording.update)
        recording.extend([note_record(run_dir, recording, note, emitted_ns, {})])
        recording.flush()
        return note.update


def _log_spooled(run_dir: Path, recording: Recording) -> None:
    """Append the events that only the spools of a run have."""
    files = readable_files(run_dir)._replace(logs=[])
    records = MergedStreams(files, ignore_damage, next_seqs=recording.next_seqs).records()
    while part := list(islice(records, _PART_EVENTS)):
        recording.extend([record for record in part if record.stream.run == run_dir.name])
        recording.flush()


def _existing(runs_dir: Path, run: str) -> Path:
    """The directory of a run. Raises `InvalidArgument` if there is no such run."""
    run_dir = runs_dir / run
    paths = RunPaths(run_dir)
    if is_name(run) and (paths.log_dir.is_dir() or paths.spool_dir.is_dir()):
        return run_dir
    raise InvalidArgument(f"There is no run {run!r} here; name one that was recorded.")


def _epoch(run_dir: Path) -> int:
    """The epoch of the notes that are written at this place."""
    place = os.fsencode(run_dir.resolve()) + b"@" + socket.gethostname().encode()
    return int.from_bytes(hashlib.sha256(place).digest()[:8], "big")
