"""Encodes and parses the messages of KTP/1 between a trainer and an aggregator.

The first frame is one letter for the kind and one byte for the version. A message is parsed completely
before any of it is used; any defect raises `FrameError`.
"""

import struct
from collections.abc import Callable, Sequence
from typing import Annotated, TypeVar

import msgspec
from zlib_ng.zlib_ng import crc32

from esper_bus.names import is_name
from esper_bus.records import Batch, Entry
from esper_schemas.codec import DECODE_ERRORS

VERSION = 1
Frames = list[bytes]
_T = TypeVar("_T")

_MAX_SEQ = 1 << 62
_MAX_BODY = 64 * 1024
_U64 = Annotated[int, msgspec.Meta(ge=0)]  # msgpack has no larger numbers
_SEQ = Annotated[int, msgspec.Meta(ge=0, le=_MAX_SEQ)]

_GRANT = struct.Struct("<QQQIQ")  # agg_epoch, epoch, expect, credit_events, credit_bytes
_DATA = struct.Struct("<QQII")  # epoch, first, count, crc32 of the rest of the header and the body
_DATA_CHECKED = struct.Struct("<QQI")
_EVENT = struct.Struct("<IQ")  # length, emitted_ns
_MARK = struct.Struct("<QQ")  # epoch, seq


class FrameError(Exception):
    """Bytes that are not a message of this protocol."""


class VersionError(FrameError):
    """A message of another version of this protocol."""


class Hello(msgspec.Struct, frozen=True, kw_only=True):
    """The trainer's first message: its identity, and that it can send the events `first`..`next`-1."""

    run: str
    producer: str
    epoch: _U64
    first: _SEQ
    next: _SEQ
    schema_hash: _U64 = 0
    clock_ns: _U64 = 0


class Resume(msgspec.Struct, frozen=True):
    """The aggregator asks for the events from `expect` on; it does not acknowledge those before."""

    agg_epoch: int
    epoch: int
    expect: int
    credit_events: int
    credit_bytes: int


class Ack(msgspec.Struct, frozen=True):
    """All events before `expect` are in the aggregator's log; credit counts from `expect`."""

    agg_epoch: int
    epoch: int
    expect: int
    credit_events: int
    credit_bytes: int


class Data(msgspec.Struct, frozen=True):
    """Consecutive events of one epoch, at least one."""

    epoch: int
    batch: Batch


class Ping(msgspec.Struct, frozen=True):
    """Shows that the trainer is alive; `next` is the number of the next event it will send."""

    epoch: int
    next: int


class Bye(msgspec.Struct, frozen=True):
    """The trainer is finished: its last event has the number `final` - 1."""

    epoch: int
    final: int


class Error(msgspec.Struct, frozen=True):
    """Why the aggregator rejects a message; `text` is for people.

    Codes are `version`, `unknown` (say HELLO first) and `refused`. The format is the same in every
    version, so that it can always be read.
    """

    code: str
    text: str


Message = Hello | Resume | Ack | Data | Ping | Bye | Error

_hello_decoder = msgspec.msgpack.Decoder(Hello)
_error_decoder = msgspec.msgpack.Decoder(Error)


def encode(message: Message) -> Frames:
    """Encode a message as frames."""
    match message:
        case Hello():
            return [_kind(b"H"), msgspec.msgpack.encode(message)]
        case Data(epoch, batch):
            return _encode_data(epoch, batch)
        case Resume(agg_epoch, epoch, expect, events, size):
            return [_kind(b"R"), _GRANT.pack(agg_epoch, epoch, expect, events, size)]
        case Ack(agg_epoch, epoch, expect, events, size):
            return [_kind(b"A"), _GRANT.pack(agg_epoch, epoch, expect, events, size)]
        case Ping(epoch, seq):
            return [_kind(b"P"), _MARK.pack(epoch, seq)]
        case Bye(epoch, seq):
            return [_kind(b"B"), _MARK.pack(epoch, seq)]
        case Error():
            return [_kind(b"E"), msgspec.msgpack.encode(message)]


def parse(frames: Sequence[bytes]) -> Message:
    """Parse the frames of a message. Raises `FrameError`, `VersionError` for another version."""
    if not frames or len(frames[0]) != 2:
        raise FrameError("no kind")
    kind, version = frames[0][:1], frames[0][1]
    if kind not in _PARSERS:
        raise FrameError(f"unknown kind {kind!r}")
    if version != VERSION and kind != b"E":
        raise VersionError(f"version {version}")
    return _PARSERS[kind](frames[1:])


def _kind(letter: bytes) -> bytes:
    return letter + bytes([VERSION])


def _encode_data(epoch: int, batch: Batch) -> Frames:
    parts: list[bytes] = []
    pack = _EVENT.pack
    for emitted_ns, data in batch.entries:
        parts += (pack(len(data), emitted_ns), data)
    body = b"".join(parts)
    first, count = batch.first, len(batch.entries)
    return [_kind(b"D"), _DATA.pack(epoch, first, count, _data_crc(epoch, first, count, body)), body]


def _data_crc(epoch: int, first: int, count: int, body: bytes) -> int:
    return crc32(body, crc32(_DATA_CHECKED.pack(epoch, first, count)))


def _parse_data(frames: Sequence[bytes]) -> Data:
    header, body = _exactly(frames, 2)
    epoch, first, count, crc = _unpack(_DATA, header)
    if crc != _data_crc(epoch, first, count, body):
        raise FrameError("wrong checksum")
    if count == 0 or first + count > _MAX_SEQ:
        raise FrameError("impossible numbers")
    return Data(epoch, Batch(first, _split(body, count)))


def _split(body: bytes, count: int) -> list[Entry]:
    entries, at, unpack, head = [], 0, _EVENT.unpack_from, _EVENT.size
    try:
        for _ in range(count):
            length, emitted_ns = unpack(body, at)
            start = at + head
            at = start + length
            entries.append((emitted_ns, body[start:at]))
    except struct.error as error:
        raise FrameError("body too short") from error
    if at != len(body):  # only the last event can be cut short: unpacking behind it would have failed
        raise FrameError("body of another length")
    return entries


def _parse_hello(frames: Sequence[bytes]) -> Hello:
    hello = _decode(_hello_decoder, frames)
    if not is_name(hello.run) or not is_name(hello.producer):
        raise FrameError("not a name")
    if hello.first > hello.next:
        raise FrameError("impossible numbers")
    return hello


def _decode(decoder: msgspec.msgpack.Decoder[_T], frames: Sequence[bytes]) -> _T:
    (body,) = _exactly(frames, 1)
    if len(body) > _MAX_BODY:
        raise FrameError("body too long")
    return decode_body(decoder, body)


def decode_body(decoder: msgspec.msgpack.Decoder[_T], body: bytes | msgspec.Raw) -> _T:
    """Decode the msgpack part of a message. Raises `FrameError`."""
    try:
        return decoder.decode(body)
    except DECODE_ERRORS as error:
        raise FrameError(str(error)) from error


def _exactly(frames: Sequence[bytes], count: int) -> Sequence[bytes]:
    if len(frames) != count:
        raise FrameError("wrong number of frames")
    return frames


def _unpack(form: struct.Struct, frame: bytes) -> tuple[int, ...]:
    if len(frame) != form.size:
        raise FrameError("wrong length")
    return form.unpack(frame)


_PARSERS: dict[bytes, Callable[[Sequence[bytes]], Message]] = {
    b"H": _parse_hello,
    b"R": lambda frames: Resume(*_unpack(_GRANT, _exactly(frames, 1)[0])),
    b"A": lambda frames: Ack(*_unpack(_GRANT, _exactly(frames, 1)[0])),
    b"D": _parse_data,
    b"P": lambda frames: Ping(*_unpack(_MARK, _exactly(frames, 1)[0])),
    b"B": lambda frames: Bye(*_unpack(_MARK, _exactly(frames, 1)[0])),
    b"E": lambda frames: _decode(_error_decoder, frames),
}
