"""How streams of events are laid out in MCAP files: channels, schema, description.

Each stream is one channel; its messages are the events as msgpack maps, verbatim, so that other tools
can read them. `sequence` is the event's number modulo 2^32; the channel's metadata says where its
first event stands. A message on the channel `meta`, the first of a file, describes the file: inside a
chunk, because only chunks have a checksum.
"""

from functools import cache, reduce
from inspect import cleandoc
from operator import or_
from typing import Any
from zlib import crc32

import msgspec

from esper_bus.mcap.writer import McapWriter
from esper_bus.names import epoch_hex
from esper_bus.records import StreamKey
from esper_schemas.events import EVENT_TYPES

FORMAT = 1
META_TOPIC = "meta"
EVENT_SCHEMA = "esper.Event.v1"
_MODULUS = 1 << 32


class FileMeta(msgspec.Struct, frozen=True, kw_only=True):
    """What a file is. `ordinal` orders the log files of a run; 0 in a spool.

    `writer_epoch` is the epoch of the trainer that wrote a spool, of the aggregator for a log.
    """

    kind: str
    run: str
    writer_epoch: str
    created_ns: int
    ordinal: int = 0
    first_position: int = 0
    format: int = FORMAT


@cache
def event_schema() -> bytes:
    """The JSON Schema of all events that this version knows, the same under every version of msgspec."""
    schema = msgspec.json.schema(reduce(or_, EVENT_TYPES))
    return msgspec.json.encode(_with_plain_descriptions(schema))


def _with_plain_descriptions(node: Any) -> Any:
    """Docstrings without their indentation: versions of msgspec differ in whether they remove it."""
    if isinstance(node, list):
        return [_with_plain_descriptions(child) for child in node]
    if isinstance(node, dict):
        return {key: _with_plain_descriptions(child) for key, child in node.items()}
    return cleandoc(node) if isinstance(node, str) else node


@cache
def schema_hash() -> int:
    """A number that differs between versions with different events."""
    return crc32(event_schema())


def write_meta(writer: McapWriter, meta: FileMeta) -> int:
    """Begin a file: its description and the schema of its events; returns the schema's number."""
    channel = writer.channel(META_TOPIC, "json", 0, {})
    writer.message(channel, 0, meta.created_ns, meta.created_ns, msgspec.json.encode(meta))
    return writer.schema(EVENT_SCHEMA, event_schema())


def open_channel(writer: McapWriter, schema: int, key: StreamKey, first_seq: int) -> int:
    """Begin a stream in a file at one of its events; returns the channel's number."""
    topic = f"{key.producer}/{epoch_hex(key.epoch)}"
    return writer.channel(topic, "msgpack", schema, stream_metadata(key, first_seq))


def stream_metadata(key: StreamKey, first_seq: int) -> dict[str, str]:
    """What the channel of a stream says about it; `first_seq` numbers its first message."""
    return {
        "run": key.run,
        "producer": key.producer,
        "epoch": epoch_hex(key.epoch),
        "first_seq": str(first_seq),
    }


class StreamChannel:
    """Turns the messages of one channel back into the stream that they belong to."""

    def __init__(self, metadata: dict[str, str]) -> None:
        """Raises `KeyError` or `ValueError` for a channel that is not a stream."""
        self.key = StreamKey(metadata["run"], metadata["producer"], int(metadata["epoch"], 16))
        self._next = int(metadata["first_seq"])

    def seq(self, sequence: int) -> int:
        """The full number of the next message, whose `sequence` is the number modulo 2^32.

        It is the nearest one to the message before; in a damaged file it may lie behind that.
        """
        ahead = (sequence - self._next) % _MODULUS
        if ahead == 0:
            self._next += 1
            return self._next - 1
        seq = self._next + (ahead + _MODULUS // 2) % _MODULUS - _MODULUS // 2
        seq = seq if seq >= 0 else seq + _MODULUS
        self._next = seq + 1
        return seq
