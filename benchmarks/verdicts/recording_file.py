"""A recorded training as one small file: its events in columns, compressed.

Events of the same kind with the same fields share columns, which hold whole numbers as differences, and
fractions as float32 rounded to four digits: the others are noise, which cannot be compressed. Numbers that
float32 cannot hold are float64.
"""

import math
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import repeat
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import zstandard

from esper_schemas.codec import decode_event, encode_event
from esper_schemas.events import DecodedEvent, Event

SUFFIX = ".run"
_LEVEL = 19
_KEPT_BITS = 13
"""Of the 23 bits of a float32 after the binary point: a relative error of at most 6e-5."""

Leaf = tuple[str | int, ...]
"""The keys that lead to a value in an event."""


@dataclass(kw_only=True)
class Recording:
    """The events of a training, and what is known of it beside them.

    twin: the recording whose first `begins - 1` updates precede these; "" for a training without a fault.
    marks: for each update, the number of events after which all is known of it. true_returns: for each
    update, the mean return of the episodes that ended in its rollout, by the environment's own rewards; NaN
    where none ended. ended: why the training ended early, "" if it did not.
    """

    trainer: str
    task: str
    seed: int
    fault: str = ""
    twin: str = ""
    begins: int = 1
    ended: str = ""
    marks: list[int] = field(default_factory=list)
    true_returns: list[float] = field(default_factory=list)
    events: list[DecodedEvent] = field(default_factory=list)

    @property
    def updates(self) -> range:
        """The numbers of the updates that are in the recording itself."""
        return range(self.begins, self.begins + len(self.marks))


def write_recording(path: Path, recording: Recording) -> None:
    """Write a recording to a file; fractions keep four digits."""
    shapes: dict[bytes, int] = {}
    columns: list[list[list[Any]]] = []
    order = bytearray()
    for event in recording.events:
        assert isinstance(event, Event), event
        leaves = dict(_leaves(msgspec.msgpack.decode(encode_event(event))))
        numbers = {leaf: value for leaf, value in leaves.items() if _is_number(value)}
        rest = [(leaf, value) for leaf, value in leaves.items() if leaf not in numbers]
        shape = msgspec.msgpack.encode((list(numbers), rest))
        place = shapes.setdefault(shape, len(shapes))
        if place == len(columns):
            columns.append([[] for _ in numbers])
        order += place.to_bytes(2, "little")
        for column, value in zip(columns[place], numbers.values(), strict=True):
            column.append(value)
    facts = {
        name: getattr(recording, name)
        for name in ("trainer", "task", "seed", "fault", "twin", "begins", "ended")
    }
    packed = [[_packed(column) for column in of_shape] for of_shape in columns]
    extra = [_packed(recording.marks), _packed(recording.true_returns)]
    content = msgspec.msgpack.encode((facts, list(shapes), _planes(bytes(order), 2), packed, extra))
    path.write_bytes(zstandard.ZstdCompressor(level=_LEVEL).compress(content))


def read_recording(path: Path) -> Recording:
    """Read a recording from a file. Raises `ValueError` for a file that is not one."""
    try:
        content = zstandard.ZstdDecompressor().decompress(path.read_bytes())
        facts, shapes, order, packed, extra = msgspec.msgpack.decode(content)
        return Recording(
            **facts,
            marks=_unpacked(extra[0]),
            true_returns=_unpacked(extra[1]),
            events=list(_events(shapes, order, packed)),
        )
    except (zstandard.ZstdError, msgspec.MsgspecError, TypeError, KeyError, IndexError) as error:
        raise ValueError(f"{path} is not a recording ({error}); record it again.") from error


def _events(shapes: list[bytes], order: bytes, packed: list[list[Any]]) -> Iterator[DecodedEvent]:
    rows: list[tuple[list[Any], list[Any], Iterator[tuple[Any, ...]]]] = []
    for shape, columns in zip(shapes, packed, strict=True):
        leaves, rest = msgspec.msgpack.decode(shape)
        unpacked = [_unpacked(column) for column in columns]
        rows.append((leaves, rest, zip(*unpacked, strict=True) if unpacked else repeat(())))
    places = array("H", _unplaned(order, 2))
    for place in places:
        leaves, rest, values = rows[place]
        row = zip(leaves, next(values), strict=True)
        event = decode_event(msgspec.msgpack.encode(_tree([*row, *rest])))
        if not isinstance(event, Event):
            raise TypeError(f"an event cannot be decoded: {event}")
        yield event


def _leaves(value: Any, path: Leaf = ()) -> Iterator[tuple[Leaf, Any]]:
    """Yield every value in nested tables and lists, with the keys that lead to it."""
    items: Iterable[tuple[str | int, Any]]
    if isinstance(value, dict) and value:
        items = value.items()
    elif isinstance(value, list) and value:
        items = enumerate(value)
    else:
        yield path, value
        return
    for key, item in items:
        yield from _leaves(item, (*path, key))


def _tree(leaves: Iterable[tuple[Any, Any]]) -> Any:
    """The inverse of `_leaves`."""
    root: dict[Any, Any] = {}
    for path, value in leaves:
        node = root
        for key in path[:-1]:
            node = node.setdefault(key, {})
        node[path[-1]] = value
    return _with_lists(root)


def _with_lists(node: Any) -> Any:
    if not isinstance(node, dict):
        return node
    if node and all(isinstance(key, int) for key in node):
        return [_with_lists(node[key]) for key in sorted(node)]
    return {key: _with_lists(item) for key, item in node.items()}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _packed(values: list[Any]) -> tuple[str, bytes]:
    """Return the type code of a column, and its bytes, those of the same significance together."""
    if all(isinstance(value, int) for value in values):
        differences = [value - before for value, before in zip(values, [0, *values], strict=False)]
        return "q", _planes(array("q", differences).tobytes(), 8)
    if all(map(_fits_float32, values)):
        return "f", _planes(_rounded(array("f", values)), 4)
    return "d", _planes(array("d", values).tobytes(), 8)


def _rounded(numbers: "array[float]") -> bytes:
    """The bytes of float32 numbers, of which the last bits are 0."""
    step = 1 << (23 - _KEPT_BITS)
    bits = np.frombuffer(numbers, np.uint32)
    finite = np.isfinite(np.frombuffer(numbers, np.float32))
    return np.where(finite, (bits + step // 2) & np.uint32(~(step - 1) & 0xFFFFFFFF), bits).tobytes()


def _fits_float32(value: float) -> bool:
    return not math.isfinite(value) or abs(value) < 3.4e38


def _unpacked(column: tuple[str, bytes]) -> list[Any]:
    code, raw = column
    numbers = array(code)
    numbers.frombytes(_unplaned(raw, numbers.itemsize))
    if code != "q":
        return numbers.tolist()
    total, values = 0, []
    for difference in numbers:
        total += difference
        values.append(total)
    return values


def _planes(raw: bytes, size: int) -> bytes:
    return b"".join(raw[place::size] for place in range(size))


def _unplaned(raw: bytes, size: int) -> bytes:
    count = len(raw) // size
    mixed = bytearray(len(raw))
    for place in range(size):
        mixed[place::size] = raw[place * count : (place + 1) * count]
    return bytes(mixed)
