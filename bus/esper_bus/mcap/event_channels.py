"""The layout of events in MCAP files, and the decoding of chunks to records.

Each stream is one channel; its messages are the events as msgpack maps, verbatim, so that other tools
can read them. `sequence` is the event's number modulo 2^32; the channel's metadata has the number of its
first event. A message on the channel `meta`, the first of a file, describes the file: it is in a chunk,
because only chunks have a checksum.
"""

import contextlib
import io
from collections.abc import Iterable
from functools import cache, reduce
from inspect import cleandoc
from operator import or_
from typing import Any
from zlib import crc32

import msgspec
from mcap.data_stream import ReadDataStream
from mcap.opcode import Opcode
from mcap.records import Channel

from esper_bus.mcap.record_format import HEAD, MESSAGE, split_records
from esper_bus.names import epoch_hex
from esper_bus.records import RawRecord, StreamKey
from esper_schemas.events import EVENT_TYPES

FORMAT = 1
EVENT_SCHEMA = "esper.Event.v1"
META_TOPIC = "meta"
_MODULUS = 1 << 32
_MESSAGE = int(Opcode.MESSAGE)


class NotAnEventChannelError(Exception):
    """A channel that does not describe a stream of events."""


class FileMeta(msgspec.Struct, frozen=True, kw_only=True):
    """Describes a file. `ordinal` orders the log files of a run, and the files of a spool.

    `kind` is "spool" or "log", `writer_epoch` the epoch of the trainer or aggregator that wrote it,
    `fold_version` that of the fold with which the aggregator showed the log; 0 is not known.
    """

    kind: str
    run: str
    writer_epoch: str
    created_ns: int
    ordinal: int = 0
    first_position: int = 0
    format: int = FORMAT
    fold_version: int = 0


@cache
def event_schema() -> bytes:
    """The JSON Schema of all events that this version knows, the same under every version of msgspec."""
    schema = msgspec.json.schema(reduce(or_, EVENT_TYPES))
    return msgspec.json.encode(_with_plain_descriptions(schema))


def _with_plain_descriptions(node: Any) -> Any:
    """Docstrings without their indentation, which not all versions of msgspec remove."""
    if isinstance(node, list):
        return [_with_plain_descriptions(child) for child in node]
    if isinstance(node, dict):
        return {key: _with_plain_descriptions(child) for key, child in node.items()}
    return cleandoc(node) if isinstance(node, str) else node


@cache
def schema_hash() -> int:
    """A number that differs between versions with different events."""
    return crc32(event_schema())


def channel_metadata(key: StreamKey, first_seq: int) -> dict[str, str]:
    """The metadata of the channel of a stream; `first_seq` is the number of its first message."""
    return {
        "run": key.run,
        "producer": key.producer,
        "epoch": epoch_hex(key.epoch),
        "first_seq": str(first_seq),
    }


class _EventChannel:
    """The stream of one channel and the number of its next event; no stream for a file's description."""

    __slots__ = ("next_seq", "stream")

    def __init__(self, channel: Channel) -> None:
        self.stream: StreamKey | None = None
        self.next_seq = 0
        if channel.topic == META_TOPIC:
            return
        metadata = channel.metadata
        try:
            self.stream = StreamKey(metadata["run"], metadata["producer"], int(metadata["epoch"], 16))
            self.next_seq = int(metadata["first_seq"])
        except (KeyError, ValueError) as error:
            raise NotAnEventChannelError(f"{channel.topic!r} is not a channel of events") from error

    def seq(self, sequence: int) -> int:
        """The full number of the next message, whose `sequence` is the number modulo 2^32.

        It is the nearest one to the message before; in a damaged file it may be lower than that.
        """
        ahead = (sequence - self.next_seq) % _MODULUS
        if ahead:
            seq = self.next_seq + (ahead + _MODULUS // 2) % _MODULUS - _MODULUS // 2
            self.next_seq = seq if seq >= 0 else seq + _MODULUS
        self.next_seq += 1
        return self.next_seq - 1


class EventChannels:
    """The channels of one file, as far as they are known; decodes its chunks to records.

    `meta` is the file's encoded description, empty until it was read. A chunk can only be decoded with the
    channels described in earlier ones: `known` are those for reading from the middle of a file.
    """

    def __init__(self, known: Iterable[Channel] = ()) -> None:
        self.meta = b""
        self._described = {channel.id: channel for channel in known}
        self._channels: dict[int, _EventChannel] = {}  # those with messages

    def __bool__(self) -> bool:
        return bool(self._described)

    @property
    def described(self) -> list[Channel]:
        """The channels that are known."""
        return list(self._described.values())

    def add_described(self, data: bytes) -> None:
        """Add the channels that a chunk or a summary describes; what cannot be read is passed over."""
        with contextlib.suppress(Exception):  # arbitrary bytes can raise anything in a parser
            for opcode, body in split_records(data):
                if opcode == Opcode.CHANNEL:
                    self._add(body)

    def decode(self, chunk: bytes) -> list[RawRecord]:
        """The records of a chunk's content.

        Raises `KeyError` for a channel that was not described, `NotAnEventChannelError`, and whatever
        arbitrary bytes can raise in a parser.
        """
        records: list[RawRecord] = []
        at, size, head = 0, len(chunk), MESSAGE.size
        while at < size:
            opcode, length = HEAD.unpack_from(chunk, at)
            end = at + HEAD.size + length
            if end > size:
                raise ValueError("a record cut short")
            if opcode == _MESSAGE:
                _, _, number, sequence, log_time, publish_time = MESSAGE.unpack_from(chunk, at)
                channel = self._channels.get(number) or self._open(number)
                if channel.stream is None:
                    self.meta = chunk[at + head : end]
                else:
                    seq, data = channel.seq(sequence), chunk[at + head : end]
                    records.append(RawRecord(channel.stream, seq, publish_time, log_time, data))
            elif opcode == Opcode.CHANNEL:
                self._add(chunk[at + HEAD.size : end])
            at = end
        return records

    def _open(self, number: int) -> _EventChannel:
        channel = self._channels[number] = _EventChannel(self._described[number])
        return channel

    def _add(self, body: bytes) -> None:
        channel = Channel.read(ReadDataStream(io.BytesIO(body)))
        self._described.setdefault(channel.id, channel)
