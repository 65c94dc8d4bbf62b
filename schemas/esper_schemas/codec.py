"""Events and snapshots as bytes: msgpack between processes, JSON for people and scripts."""

import math
from collections.abc import Callable
from typing import Any

import msgspec

from esper_schemas.events import EVENT_TYPES, DecodedEvent, Event, KnownEvent, Undecodable, Unknown
from esper_schemas.plain_values import encodable, plain_value
from esper_schemas.snapshot import SanctumSnapshot

DECODE_ERRORS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, OverflowError)
"""What the decoder raises for damaged or hostile msgpack."""

_encoder = msgspec.msgpack.Encoder(enc_hook=plain_value, decimal_format="number")
_event_decoder: msgspec.msgpack.Decoder[KnownEvent] = msgspec.msgpack.Decoder(KnownEvent)
_snapshot_decoder = msgspec.msgpack.Decoder(SanctumSnapshot)
_known_kinds = {event_type.__name__ for event_type in EVENT_TYPES}


class _Kind(msgspec.Struct):
    type: str


_kind_decoder = msgspec.msgpack.Decoder(_Kind)


def encode_event(event: Event) -> bytes:
    """Encode one event as a msgpack map."""
    return _encoder.encode(event)


encode_event_into: Callable[[Event, bytearray], None] = _encoder.encode_into
"""As `encode_event`, into a buffer that then holds just the event; costs no more than filling it.

Numbers and objects of other libraries are encoded as `plain_value` returns them; whether they fit their
fields is checked by `event_repair`. Raises for what only `encode_refused_event_into` can encode.
"""


def encode_refused_event_into(event: Event, buffer: bytearray) -> None:
    """Encode an event for which `encode_event_into` has raised, such as one with an integer of 70 bits."""
    _encoder.encode_into(encodable(event), buffer)


def encode_plain(value: object) -> bytes:
    """Encode builtin values as msgpack."""
    return _encoder.encode(value)


def decode_event(raw: bytes | memoryview) -> DecodedEvent:
    """Decode one event; never raises.

    A kind that this version does not know becomes `Unknown`, anything else that is not an event
    becomes `Undecodable`; both keep the bytes.
    """
    try:
        return _event_decoder.decode(raw)
    except DECODE_ERRORS as error:
        return _not_decoded(bytes(raw), error)


def _not_decoded(raw: bytes, error: Exception) -> Unknown | Undecodable:
    try:
        kind = _kind_decoder.decode(raw).type
    except DECODE_ERRORS:
        return Undecodable(reason=str(error), raw=raw)
    if kind in _known_kinds:
        return Undecodable(reason=str(error), raw=raw)
    return Unknown(kind=kind, raw=raw)


def kind_of(event: DecodedEvent) -> str:
    """The name under which an event is counted and shown."""
    return event.kind if isinstance(event, Unknown) else type(event).__name__


def encode_snapshot(snapshot: SanctumSnapshot) -> bytes:
    """Encode a snapshot as msgpack; equal snapshots give equal bytes."""
    return _encoder.encode(snapshot)


def decode_snapshot(raw: bytes) -> SanctumSnapshot:
    """Decode a snapshot. Raises `msgspec.MsgspecError` or `UnicodeDecodeError` if it is not one."""
    return _snapshot_decoder.decode(raw)


def to_json(value: Any, *, indent: int | None = None) -> str:
    """Write anything made of structs as JSON, with all fields.

    Non-finite numbers become "NaN", "Infinity" or "-Infinity"; values that were not measured become null.
    """
    raw = msgspec.json.encode(_plain(value))
    return (raw if indent is None else msgspec.json.format(raw, indent=indent)).decode()


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else _not_finite_name(value)
    if isinstance(value, msgspec.Struct):
        return _plain_struct(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value.hex() if isinstance(value, bytes) else value


def _plain_struct(value: msgspec.Struct) -> dict[str, Any]:
    tag = value.__struct_config__.tag
    fields = {name: _plain(getattr(value, name)) for name in value.__struct_fields__}
    return fields if tag is None else {"type": tag, **fields}


def _not_finite_name(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"
