"""The wire format of protocol buffers: numbered fields, as integers or bytes.

A message of a few scalars is decoded in less time than the library takes for it, and no generated classes of
one version are needed. Raises `ValueError`, `IndexError` or `struct.error` (`WIRE_ERRORS`) for what is not a
message.
"""

import struct
from collections.abc import Iterator

WIRE_ERRORS = (ValueError, IndexError, struct.error)
"""What decoding arbitrary bytes can raise."""

_MAX_VARINT_BYTES = 10
_FIXED = {1: 8, 5: 4}  # bytes by wire type
_VARINT, _BYTES = 0, 2


def fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of a message in their order: number and value.

    Integers are as varints are, without a sign; bytes are strings, messages and fixed-size numbers.
    """
    at, end = 0, len(data)
    while at < end:
        key, at = varint(data, at)
        wire_type = key & 7
        if wire_type == _VARINT:
            number, at = varint(data, at)
            yield key >> 3, number
            continue
        size = _FIXED.get(wire_type)
        if size is None:
            if wire_type != _BYTES:
                raise ValueError("an unknown wire type")
            size, at = varint(data, at)
        if at + size > end:
            raise ValueError("a field beyond the end")
        yield key >> 3, data[at : at + size]
        at += size


def varint(data: bytes, at: int) -> tuple[int, int]:
    """The integer at an offset, and the offset behind it."""
    byte = data[at]
    if byte < 0x80:
        return byte, at + 1
    value, shift = byte & 0x7F, 7
    for position in range(at + 1, at + _MAX_VARINT_BYTES):
        byte = data[position]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position + 1
        shift += 7
    raise ValueError("a varint of more than ten bytes")


def signed(number: int | bytes) -> int:
    """The value of an `int32` or `int64` field."""
    if isinstance(number, bytes):
        raise ValueError("bytes instead of an integer")
    number &= 2**64 - 1
    return number - 2**64 if number >= 2**63 else number


def message(value: int | bytes) -> bytes:
    """The bytes of a string, a message or a fixed-size number."""
    if isinstance(value, int):
        raise ValueError("an integer instead of bytes")
    return value


def text(value: int | bytes) -> str:
    """The value of a `string` field; what is not UTF-8 is replaced."""
    return message(value).decode(errors="replace")


def double(value: int | bytes) -> float:
    """The value of a `double` field."""
    number: float = struct.unpack("<d", message(value))[0]
    return number
