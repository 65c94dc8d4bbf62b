"""Repair of encoded events whose fields have values of a wrong type: the event survives, the values do not.

A training program may put anything into a field. What was encoded is therefore decoded, as a reader would,
so that no log has an event that its readers refuse.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple, get_args, get_origin

import msgspec

from esper_schemas.codec import DECODE_ERRORS, decode_event, encode_plain
from esper_schemas.events import EVENT_TYPES, Undecodable
from esper_schemas.metrics.metric import Metric
from esper_schemas.metrics.own import ACCEPTS_FLAGS
from esper_schemas.plain_values import MAX_TEXT

_FLAG_UNITS = ("flag", "share")
"""Units of metrics for which true and false are the numbers 1 and 0."""

_EVENT_TYPES = {event_type.__name__: event_type for event_type in EVENT_TYPES}


class LeftOut(NamedTuple):
    """A value that was left out of an event: the field, such as `payload.kl_divergence`, and what it was."""

    kind: str
    field: str
    value: str


class Repaired(NamedTuple):
    """An event that can be decoded, or None where a required field has no valid value; and what it lacks."""

    data: bytes | None
    left_out: tuple[LeftOut, ...] = ()


def repaired(raw: bytes) -> Repaired:
    """Return an encoded event as it is if it can be decoded, else with the values that can be."""
    if not isinstance(decode_event(raw), Undecodable):
        return Repaired(raw)
    try:
        values = msgspec.msgpack.decode(raw)
        kind = values["type"]
        event_type = _EVENT_TYPES[kind]
    except (*DECODE_ERRORS, KeyError, TypeError):  # nothing that this version can encode
        return Repaired(None)
    repair = _Repair(kind)
    data = encode_plain({"type": kind, **repair.valid(event_type, values, "")})
    readable = not isinstance(decode_event(data), Undecodable)
    return Repaired(data if readable else None, tuple(repair.left_out))


class _Repair:
    """Separates the values of one event into those that fit their fields, and the others."""

    def __init__(self, kind: str) -> None:
        self.left_out: list[LeftOut] = []
        self._kind = kind

    def valid(self, expected: Any, value: Any, place: str) -> Any:
        """The value as one of the expected type, without invalid parts; `UNSET` if there is none."""
        if isinstance(value, dict) and (types := _member_types(expected, value)) is not None:
            return self._valid_members(types, value, f"{place}." if place else "")
        if isinstance(value, list) and (item_type := _struct_items(expected)) is not None:
            return self._valid_items(item_type, value, place)
        for candidate in _candidates(expected, value):
            try:
                return msgspec.convert(candidate, expected)
            except DECODE_ERRORS:
                continue
        if value is not None:  # which means "not measured" in any field
            self.left_out.append(LeftOut(self._kind, place, _described(value)))
        return msgspec.UNSET

    def _valid_members(self, types: dict[str, Any], value: dict[str, Any], prefix: str) -> dict[str, Any]:
        members = {
            str(name): self.valid(types[name], item, f"{prefix}{name}")
            for name, item in value.items()
            if name in types
        }
        return {name: item for name, item in members.items() if item is not msgspec.UNSET}

    def _valid_items(self, item_type: Any, values: list[Any], place: str) -> list[Any]:
        """The items of a list of structs that have what a struct requires, each without invalid fields."""
        items = []
        for number, value in enumerate(values):
            item = self.valid(item_type, value, f"{place}[{number}]")
            try:
                items.append(msgspec.convert(item, item_type))
            except DECODE_ERRORS:
                if isinstance(value, dict):  # of any other value it was said
                    self.left_out.append(LeftOut(self._kind, f"{place}[{number}]", _described(value)))
        return items


def _struct_items(expected: Any) -> Any:
    """The type of the items of a sequence of structs; None for any other type."""
    item_type = next(iter(get_args(expected)), None) if get_origin(expected) is tuple else None
    is_struct = isinstance(item_type, type) and issubclass(item_type, msgspec.Struct)
    return item_type if is_struct else None


def _member_types(expected: Any, value: dict[str, Any]) -> dict[str, Any] | None:
    """The types of the fields of a struct, or of the items of a map; None where neither is expected."""
    if isinstance(expected, type) and issubclass(expected, msgspec.Struct):
        return {field.encode_name: field.type for field in msgspec.structs.fields(expected)}
    if get_origin(expected) is dict:
        return dict.fromkeys(value, get_args(expected)[1])
    return None


def _candidates(expected: Any, value: Any) -> Iterator[Any]:
    """Yield the value, and what it may stand for: a flag for 1 or 0, 3.0 for 3, anything for its text."""
    if not isinstance(value, bool) or not _is_number(expected):
        yield value
    elif _is_flag(expected):
        yield float(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**63:
        yield int(value)
    if value is not None:
        yield _text(value)


def _is_number(expected: Any) -> bool:
    return not {str, bool} & {expected, *get_args(expected)}


def _is_flag(expected: Any) -> bool:
    parts = get_args(expected)
    return ACCEPTS_FLAGS in parts or any(isinstance(p, Metric) and p.unit in _FLAG_UNITS for p in parts)


def _text(value: Any) -> str:
    if isinstance(value, msgspec.msgpack.Ext):
        return f"({bytes(value.data).decode(errors='replace')})"
    return str(value)[:MAX_TEXT]


def _described(value: Any) -> str:
    """What a value was, for a person."""
    if isinstance(value, msgspec.msgpack.Ext):
        return bytes(value.data).decode(errors="replace")
    names = {bool: "a flag", str: "text", bytes: "bytes", list: "a list", dict: "a map"}
    return names.get(type(value), f"the number {value}")
