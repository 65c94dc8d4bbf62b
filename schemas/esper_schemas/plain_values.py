"""Values of other libraries as plain ones: numbers of NumPy and PyTorch, paths, and any other object.

This runs on the training thread, while an event is encoded, so that nothing here checks whether a value fits
its field: `event_repair` does that later.
"""

from collections.abc import Iterator
from numbers import Real
from typing import Any

import msgspec

UNCONVERTIBLE = 1
"""The code of the msgpack extension for a value that is neither a number nor has a text."""

MAX_TEXT = 500
"""Characters that are kept of the text of an object."""

_is_float: dict[type, bool] = {}
"""Whether all values of a type are floats: for those of NumPy, `float` is five times as fast as `item`."""
_MAX_TYPES = 64
_MAX_LIST_BYTES = 8192
_MAX_DEPTH = 8


def plain_value(value: Any) -> Any:
    """Return the number, or else the text, of an object that msgpack has no type for.

    Scalars and arrays with one element of NumPy, PyTorch and JAX are numbers, as is whatever has `__float__`;
    arrays of at most 8 KiB are lists. The text has at most 500 characters. An object that has neither,
    because its methods raise, becomes an extension with the name of its type.
    """
    try:  # what nearly all values are: the loop below costs as much again
        return float(value) if _is_float.get(type(value)) else _number(value)
    except Exception:  # a method of any class can raise anything
        return _other_plain_value(value)


def _number(value: Any) -> int | float:
    """Return the item of a scalar or an array. Raises for what is not exactly a number."""
    plain = value.item()
    if type(plain) is not float:
        if type(plain) is int:
            return plain
        raise TypeError
    if type(value) not in _is_float and len(_is_float) < _MAX_TYPES:
        _is_float[type(value)] = isinstance(value, Real)
    return plain


def _other_plain_value(value: Any) -> Any:
    for convert in (_item, float, _short_list, str):
        try:
            plain = convert(value)
        except Exception:  # a method of any class can raise anything
            continue
        if type(plain) is not type(value):  # the item of a long double is a long double
            return plain[:MAX_TEXT] if isinstance(plain, str) else plain
    return _unconvertible(value)


def encodable(value: Any, depth: int = _MAX_DEPTH) -> Any:
    """Return a copy of a value that can be encoded, for one that the encoder has refused.

    Integers beyond 64 bits become floats or text, characters that UTF-8 does not have become "?", and what is
    nested more than eight deep becomes an extension. Structs become maps without their default values.
    """
    if depth == 0:
        return _unconvertible(value)
    match value:
        case msgspec.Struct():
            return {name: encodable(item, depth - 1) for name, item in _fields(value)}
        case dict():
            return {_text(str(key)): encodable(item, depth - 1) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [encodable(item, depth - 1) for item in value]
        case str():
            return _text(value)
        case int() if -(2**63) <= value < 2**64:
            return value
        case None | float() | bytes():
            return value
        case _:
            return plain_value(value)


def _fields(struct: msgspec.Struct) -> Iterator[tuple[str, Any]]:
    """Yield the tag of a struct, and its fields that do not have their default values."""
    tag = struct.__struct_config__.tag
    if tag is not None:
        yield "type", tag
    for field in msgspec.structs.fields(struct):
        value = getattr(struct, field.name)
        if value is not field.default:
            yield field.encode_name, value


def _text(text: str) -> str:
    return text.encode(errors="replace").decode()


def _item(value: Any) -> Any:
    return value.item()


def _short_list(value: Any) -> Any:
    if value.nbytes > _MAX_LIST_BYTES:
        raise ValueError("too long")
    return value.tolist()


def _unconvertible(value: Any) -> msgspec.msgpack.Ext:
    return msgspec.msgpack.Ext(UNCONVERTIBLE, type(value).__name__.encode(errors="replace"))
