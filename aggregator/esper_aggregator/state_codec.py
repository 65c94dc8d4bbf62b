"""The fold's state as bytes and back, by what its classes declare; pure."""

import re
from collections import deque
from dataclasses import MISSING, fields
from functools import cache
from types import UnionType
from typing import Any, cast, get_args, get_origin
from zlib import crc32

import msgspec

from esper_aggregator.fold.fold import FOLD_VERSION
from esper_aggregator.fold.run_state import ProducerState, RunState
from esper_aggregator.fold.symptoms import WATCHLIST, Watchlist
from esper_bus.records import RawRecord, StreamKey
from esper_schemas.codec import encode_event
from esper_schemas.events import EVENT_TYPES, Event, Record
from esper_schemas.metrics.catalogue import QUANTITIES
from esper_schemas.rules.watches import bounded_watches
from esper_schemas.snapshot import SanctumSnapshot

_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


@cache
def fold_fingerprint() -> int:
    """A number that differs between versions in which the same events may fold to another state."""
    declared = msgspec.inspect.multi_type_info([RunState, SanctumSnapshot, *EVENT_TYPES])
    text = repr((FOLD_VERSION, declared, list(bounded_watches(QUANTITIES))))
    return crc32(_ADDRESS.sub("", text).encode())


def encode_state(state: RunState) -> bytes:
    """The state of a fold that judges by the catalogue's bands; equal states give equal bytes."""
    return _encoder.encode(state)


def decode_state(data: bytes) -> RunState:
    """The state as it was encoded. Raises whatever bytes can make a decoder raise."""
    state = _decoder.decode(data)
    _bound(state)
    for producer in state.producers.values():
        _bound(producer)
    return state


def _encode(value: Any) -> Any:
    if isinstance(value, deque):
        return [_raw(item) if isinstance(item, Record) else item for item in value]
    if value is WATCHLIST:
        return None
    raise NotImplementedError(f"{type(value).__name__} cannot be kept")


def _decode(declared: Any, value: Any) -> Any:
    if declared is Watchlist:
        return WATCHLIST
    if get_origin(declared) is deque:
        return deque(_convert(item, get_args(declared)[0]) for item in value)
    raise NotImplementedError(f"{declared} cannot be kept")


def _convert(item: Any, declared: Any) -> Any:
    """One item of a deque; of several kinds, the one whose fields it has."""
    if declared is Record:
        return msgspec.convert(item, RawRecord).decoded()
    if not isinstance(declared, UnionType):
        return msgspec.convert(item, declared)
    first, last = get_args(declared)
    try:
        return _convert(item, first)
    except msgspec.ValidationError:
        return _convert(item, last)


def _raw(record: Record) -> RawRecord:
    """A record as it stands in a log; none is kept whose event could not be decoded."""
    data = encode_event(cast(Event, record.event))
    stream = StreamKey(record.run, record.producer, record.epoch)
    return RawRecord(stream, record.seq, record.emitted_ns, record.received_ns, data)


def _bound(part: RunState | ProducerState) -> None:
    """Give the deques of a part the lengths that its class declares."""
    for field in fields(part):
        value = getattr(part, field.name)
        if isinstance(value, deque) and field.default_factory is not MISSING:
            bounded = field.default_factory()
            bounded.extend(value)
            setattr(part, field.name, bounded)


_encoder = msgspec.msgpack.Encoder(enc_hook=_encode)
_decoder = msgspec.msgpack.Decoder(RunState, dec_hook=_decode)
