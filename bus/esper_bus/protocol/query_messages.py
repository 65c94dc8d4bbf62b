"""Queries to an aggregator and their answers: runs, events of a log, the past of a run, health.

One frame for kind and version, one for a msgpack map. Any defect of a message raises `FrameError`; a query
that cannot be answered is answered with a `Refusal`.
"""

from collections.abc import Sequence
from typing import Annotated, TypeVar

import msgspec

from esper_bus.limits import MAX_MESSAGE_BYTES
from esper_bus.protocol.compression import compress, decompress
from esper_bus.protocol.event_batches import decode_records, encode_records
from esper_bus.protocol.frames import FrameError, Frames, VersionError, decode_body
from esper_bus.records import RawRecord
from esper_schemas import history
from esper_schemas.codec import encode_plain

VERSION = 1
PAGE_EVENTS = 1024
PAGE_BYTES = 1024 * 1024
"""Limits of the events in one answer, which has at least one event if there is one."""

_TOO_LARGE = "The answer is too large for one message; ask for fewer metrics or points."
_QUERY, _ANSWER = b"Q" + bytes([VERSION]), b"W" + bytes([VERSION])
_T = TypeVar("_T")
_Count = Annotated[int, msgspec.Meta(ge=0, le=1 << 62)]


class _Message(msgspec.Struct, frozen=True, tag=True):
    """A query or an answer."""


class RunsQuery(_Message, frozen=True):
    """Asks for the names of all runs."""


class EventsQuery(_Message, frozen=True):
    """Asks for the events of a run's log from position `first` on, at most `count`."""

    run: str
    first: _Count = 0
    count: _Count = PAGE_EVENTS


class SnapshotQuery(_Message, frozen=True):
    """Asks for the snapshot after the first `events` events of a run's log."""

    run: str
    events: _Count


class HealthQuery(_Message, frozen=True):
    """Asks for the state of the aggregator."""


class HistoryQuery(_Message, frozen=True):
    """Asks a question about the past of a run, as far as its log goes. Not known to versions before 0.2.0."""

    run: str
    question: history.Question


class NoteQuery(_Message, frozen=True):
    """Asks to write a note into the log of a run, about its present update for None.

    A note that arrives again, since its answer was lost, is the same one by its time, `emitted_ns`. Not known
    to versions before 0.2.0.
    """

    run: str
    text: str
    who: str
    emitted_ns: _Count
    update: _Count | None = None


class Runs(_Message, frozen=True):
    """The names of all runs that have a log, the newest first."""

    names: tuple[str, ...]


class EventsPage(_Message, frozen=True):
    """Events of a log, encoded by `encode_records`; `at_end` if the log had no more when it was read."""

    run: str
    first: int
    events: msgspec.Raw
    at_end: bool

    @classmethod
    def of(cls, run: str, first: int, records: Sequence[RawRecord], *, at_end: bool) -> "EventsPage":
        """The page with these records, the first of which has position `first` in the log of `run`."""
        return cls(run, first, msgspec.Raw(encode_records(records)), at_end)

    def records(self) -> list[RawRecord]:
        """Decode the records of the page. Raises `FrameError`."""
        return decode_records(self.run, self.events)


class PastSnapshot(_Message, frozen=True):
    """The encoded snapshot after `events` events; fewer than asked for if the log has fewer."""

    run: str
    events: int
    body: bytes


class HistoryAnswer(_Message, frozen=True):
    """The answer to a question about the past, encoded and compressed."""

    body: bytes

    @classmethod
    def of(cls, answer: history.Answer) -> "HistoryAnswer":
        """The message of an answer; one that says why, if the answer is too large for a message."""
        data = encode_plain(answer)
        if len(data) > MAX_MESSAGE_BYTES:
            data = encode_plain(history.Unanswered(_TOO_LARGE))
        return cls(compress(data))

    def answer(self) -> history.Answer:
        """Decode the answer. Raises `FrameError`."""
        return decode_body(_answer_decoder, decompress(self.body))


class NoteWritten(_Message, frozen=True):
    """The note is in the log of the run, about this update."""

    update: int | None = None


class AggregatorHealth(_Message, frozen=True, kw_only=True, tag="Health"):
    """The aggregator's own state; `positions` counts the events of the runs it has open.

    `history` tells whether it answers a `HistoryQuery`, `notes` whether it takes a `NoteQuery`.
    """

    agg_epoch: int
    pid: int
    uptime_s: float
    subscribers: int
    rejected: int
    positions: dict[str, int]
    problem: str = msgspec.field(default="", name="trouble")
    history: bool = False
    notes: bool = False


class Refusal(_Message, frozen=True):
    """Why there is no answer, in one sentence; `temporary` if the same question may be answered later."""

    text: str
    temporary: bool = False


Query = RunsQuery | EventsQuery | SnapshotQuery | HealthQuery | HistoryQuery | NoteQuery
Answer = Runs | EventsPage | PastSnapshot | AggregatorHealth | Refusal | HistoryAnswer | NoteWritten


class Question(msgspec.Struct, frozen=True):
    """A query with the number that its answer will carry."""

    number: _Count
    query: Query


class _Numbered(msgspec.Struct, frozen=True):
    number: _Count


class Reply(msgspec.Struct, frozen=True):
    """The answer to the question of this number."""

    number: _Count
    answer: Answer


_question_decoder = msgspec.msgpack.Decoder(Question)
_number_decoder = msgspec.msgpack.Decoder(_Numbered)
_reply_decoder = msgspec.msgpack.Decoder(Reply)
_answer_decoder: msgspec.msgpack.Decoder[history.Answer] = msgspec.msgpack.Decoder(history.Answer)


def encode_question(question: Question) -> Frames:
    """Encode a question as frames."""
    return [_QUERY, msgspec.msgpack.encode(question)]


def encode_reply(reply: Reply) -> Frames:
    """Encode a reply as frames."""
    return [_ANSWER, msgspec.msgpack.encode(reply)]


def parse_question(frames: Sequence[bytes]) -> Question:
    """Parse a question. Raises `FrameError`, `VersionError` for another version."""
    return _parse(frames, _QUERY, _question_decoder)


def number_of_question(frames: Sequence[bytes]) -> int:
    """The number of a question that may be of a kind that this version does not know. Raises `FrameError`."""
    return _parse(frames, _QUERY, _number_decoder).number


def parse_reply(frames: Sequence[bytes]) -> Reply:
    """Parse a reply. Raises `FrameError`, `VersionError` for another version."""
    return _parse(frames, _ANSWER, _reply_decoder)


def _parse(frames: Sequence[bytes], kind: bytes, decoder: "msgspec.msgpack.Decoder[_T]") -> _T:
    if len(frames) != 2 or frames[0][:1] != kind[:1] or len(frames[0]) != len(kind):
        raise FrameError("not a message of this kind")
    if frames[0] != kind:
        raise VersionError(f"version {frames[0][1]}")
    return decode_body(decoder, frames[1])
