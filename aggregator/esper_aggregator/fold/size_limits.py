"""Limits on what the state keeps of one event, however large its texts and tables are."""

from typing import Any, TypeVar

import msgspec
from msgspec import structs

MAX_TEXT_LENGTH = 500
MAX_NAME_LENGTH = 100
MAX_ITEMS = 128
"""Items of one table or list inside an event."""

MAX_NAMES = 32
"""Distinct names that are counted apart, such as kinds of anomalies."""

MAX_COUNT = 2**64 - 1
MIN_COUNT = -(2**63)
"""The range of integers that msgpack can encode."""

_LIMITED = (str, tuple, dict)
_NUMBERS = frozenset({int, float, type(None)})
_Struct = TypeVar("_Struct", bound=msgspec.Struct)


def bounded_text(text: str, length: int = MAX_TEXT_LENGTH) -> str:
    """Return the text, or its beginning and an ellipsis."""
    return text if len(text) <= length else text[: length - 1] + "…"


def bounded_count(count: int) -> int:
    """Return the count, or the nearest one that can be encoded."""
    return min(max(count, MIN_COUNT), MAX_COUNT)


def bounded_event(event: _Struct) -> _Struct:
    """Return the event, or a copy with texts, tables and lists cut to the limits."""
    cut = {}
    for name, value in zip(event.__struct_fields__, structs.astuple(event), strict=True):
        if isinstance(value, _LIMITED) and (short := _bounded(value)) is not value:
            cut[name] = short
    return structs.replace(event, **cut) if cut else event


def _bounded(value: Any) -> Any:
    if isinstance(value, str):
        return bounded_text(value)
    if isinstance(value, tuple):
        is_small = len(value) <= MAX_ITEMS and _NUMBERS.issuperset(map(type, value))
        return value if is_small else _bounded_tuple(value)
    if isinstance(value, dict):
        return _bounded_dict(value)
    return value


def _bounded_tuple(values: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(_bounded(value) for value in values[:MAX_ITEMS])


def _bounded_dict(table: dict[str, Any]) -> dict[str, Any]:
    items = list(table.items())[:MAX_ITEMS]
    return {bounded_text(name, MAX_NAME_LENGTH): _bounded(value) for name, value in items}
