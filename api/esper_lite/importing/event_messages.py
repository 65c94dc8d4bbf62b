"""The messages in TensorBoard's event files: `Event`, `Summary`, `TensorProto` and the plugins' data."""

import struct
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, NamedTuple

from esper_lite.importing.rows import clean_name
from esper_lite.importing.wire_format import double, fields, message, signed, text, varint

_float_at = struct.Struct("<f").unpack_from
_double_at = struct.Struct("<d").unpack_from

SCALARS = "scalars"
HPARAMS_TAG = "_hparams_/session_start_info"
_OTHER_VALUES = {3: "histograms", 4: "images", 5: "histograms", 6: "audio"}
_NUMBERS: dict[int, tuple[str, int]] = {
    1: ("<f", 5), 2: ("<d", 6), 3: ("<i", 7), 4: ("<B", 7), 5: ("<h", 7), 6: ("<b", 7), 9: ("<q", 10),
    10: ("<?", 11), 17: ("<H", 7), 19: ("<e", 13), 22: ("<I", 16), 23: ("<Q", 17),
}  # fmt: skip
"""By data type: the format in `tensor_content`, and the field of a single value."""


_SHORTEST = 20
_BEFORE_TAG = [bytes((0x2A, size + 9, 0x0A, size + 7, 0x0A, size)) for size in range(0x80 - 9)]
"""By the length of a tag: what precedes it in an event with one simple value, all lengths being one byte."""


class Other(NamedTuple):
    """A value that is not a scalar: the plugin that it belongs to, the plugin's data, and its tensor."""

    tag: str
    plugin: str
    content: bytes
    tensor: bytes


class EventMessage(NamedTuple):
    """An event: wall time in seconds since 1970, step, scalars and other values."""

    wall_time: float
    step: int
    scalars: list[tuple[str, float]]
    others: list[Other]


_new_message: Callable[[tuple[Any, ...]], EventMessage] = partial(tuple.__new__, EventMessage)
"""Makes a message in half the time of its constructor: there are many."""


def parse_event(data: bytes, plugins: dict[str, str]) -> EventMessage:
    """Decode an event. Raises one of `WIRE_ERRORS`.

    plugins: the plugin of each tag so far; a tag's metadata may come with its first value only.
    """
    return _single_scalar(data) or _parse_any(data, plugins)


def _single_scalar(data: bytes) -> EventMessage | None:
    """Decode an event with a time, a step and one simple value, as nearly all are; None for any other."""
    end = len(data)
    if end < _SHORTEST or data[0] != 0x09:
        return None
    step, at = 0, 9
    if data[9] == 0x10:
        at = 10
        while data[at] > 0x7F and at < 19:
            at += 1
        at += 1
        step = _step(data[10:at])
    tag_size = end - at - 11
    if not 0 <= tag_size < len(_BEFORE_TAG) or data[at : at + 6] != _BEFORE_TAG[tag_size]:
        return None
    if data[end - 5] != 0x15:
        return None
    scalar = (_tag(data[at + 6 : end - 5]), _float_at(data, end - 4)[0])
    return _new_message((_double_at(data, 1)[0], step, [scalar], []))


@lru_cache(maxsize=64)
def _step(encoded: bytes) -> int:
    """A step from its varint; many values have the same one."""
    return signed(varint(encoded, 0)[0])


@lru_cache(maxsize=4096)
def _tag(encoded: bytes) -> str:
    return clean_name(encoded.decode(errors="replace"))


def _parse_any(data: bytes, plugins: dict[str, str]) -> EventMessage:
    """Decode any event."""
    wall_time, step = 0.0, 0
    scalars: list[tuple[str, float]] = []
    others: list[Other] = []
    at, end = 0, len(data)
    while at < end:
        key, at = varint(data, at)
        if key == 0x09:
            wall_time = _double_at(data, at)[0]
            at += 8
        elif key == 0x10:
            step, at = varint(data, at)
        else:
            at = _field(data, at, key, plugins, scalars, others)
    return EventMessage(wall_time, signed(step), scalars, others)


def _field(
    data: bytes,
    at: int,
    key: int,
    plugins: dict[str, str],
    scalars: list[tuple[str, float]],
    others: list[Other],
) -> int:
    """Read a field of an event other than time and step; returns the offset behind it."""
    if key & 7 == 0:
        return varint(data, at)[1]
    size, at = (8, at) if key & 7 == 1 else (4, at) if key & 7 == 5 else varint(data, at)
    end = at + size
    if end > len(data):
        raise ValueError("a field beyond the end")
    if key == 0x2A:
        _summary(data, at, end, plugins, scalars, others)
    return end


def _summary(
    data: bytes,
    at: int,
    end: int,
    plugins: dict[str, str],
    scalars: list[tuple[str, float]],
    others: list[Other],
) -> None:
    """Read `Summary`, a list of values."""
    while at < end:
        key = data[at]
        size, at = varint(data, at + 1)
        behind = at + size
        if key != 0x0A or behind > end:
            raise ValueError("not a summary")
        _value(data[at:behind], plugins, scalars, others)
        at = behind


def _value(
    data: bytes, plugins: dict[str, str], scalars: list[tuple[str, float]], others: list[Other]
) -> None:
    """Read `Summary.Value` with all of its fields."""
    tag, simple, tensor, kind = "", None, b"", ""
    plugin, content = "", b""
    for number, value in fields(data):
        match number:
            case 1:
                tag = clean_name(text(value))
            case 2:
                simple = _float_at(message(value))[0]
            case 8:
                tensor = message(value)
            case 9:
                plugin, content = _plugin(message(value))
            case _:
                kind = _OTHER_VALUES.get(number, kind)
    plugin = plugins.setdefault(tag, plugin) if plugin or tag in plugins else ""
    number_of_tensor = scalar_of_tensor(tensor) if plugin == SCALARS and tensor else None
    if simple is not None:
        scalars.append((tag, simple))
    elif number_of_tensor is not None:
        scalars.append((tag, number_of_tensor))
    else:
        others.append(Other(tag, kind or plugin or "tensors", content, tensor))


def _plugin(metadata: bytes) -> tuple[str, bytes]:
    """The plugin's name and its data, from `SummaryMetadata`."""
    name, content = "", b""
    for number, value in fields(metadata):
        if number == 1:
            for inner, part in fields(message(value)):
                if inner == 1:
                    name = text(part)
                elif inner == 2:
                    content = message(part)
    return name, content


def scalar_of_tensor(tensor: bytes) -> float | None:
    """The number in a `TensorProto` with one element; None if it has none, or several."""
    by_field = dict(fields(tensor))
    data_type = by_field.get(1)
    layout, field = _NUMBERS.get(data_type if isinstance(data_type, int) else 0, ("", 0))
    if not layout:
        return None
    raw = by_field.get(4)
    if isinstance(raw, bytes) and raw:
        return float(struct.unpack(layout, raw)[0]) if len(raw) == struct.calcsize(layout) else None
    value = by_field.get(field, 0)
    return _single(value, layout)


def _single(value: int | bytes, layout: str) -> float | None:
    """The one element of a repeated field, packed or not."""
    if isinstance(value, bytes) and layout in ("<f", "<d"):
        return float(struct.unpack(layout, value)[0]) if len(value) == struct.calcsize(layout) else None
    if isinstance(value, bytes):
        value = varint(value, 0)[0] if value else 0
    if layout == "<e":
        return float(struct.unpack("<e", struct.pack("<H", value & 0xFFFF))[0])
    return float(value if layout in ("<I", "<Q", "<?") else signed(value))


def text_of_tensor(tensor: bytes) -> str:
    """The first text in a `TensorProto`, empty without one."""
    return next((text(value) for number, value in fields(tensor) if number == 8), "")


def hparams(content: bytes) -> dict[str, object]:
    """The hyper-parameters in the data of the plugin of that name, from `SessionStartInfo`."""
    found: dict[str, object] = {}
    for number, session in fields(content):
        if number != 3:
            continue
        for field, entry in fields(message(session)):
            if field == 1:
                name, value = _hparam(message(entry))
                found[name] = value
    return found


def _hparam(entry: bytes) -> tuple[str, object]:
    """One entry of the map from names to `google.protobuf.Value`."""
    name, value = "", None
    for number, part in fields(entry):
        if number == 1:
            name = text(part)
        elif number == 2:
            value = _plain(message(part))
    return name, value


_PLAIN: dict[int, Callable[[int | bytes], object]] = {2: double, 3: text, 4: bool}


def _plain(value: bytes) -> object:
    """The number, text or flag in a `google.protobuf.Value`; None for others."""
    for number, part in fields(value):
        if number in _PLAIN:
            return _PLAIN[number](part)
    return None
