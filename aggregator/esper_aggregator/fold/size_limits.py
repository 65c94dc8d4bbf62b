"""What is kept of an event takes a bounded room, however large its texts and tables are. Pure."""

from typing import Any, TypeVar

import msgspec
from msgspec import structs

LONGEST_TEXT = 500
LONGEST_NAME = 100
MOST_ITEMS = 128
"""Of one table or list inside an event."""

MOST_NAMES = 32
"""Different names of one sort that are counted apart."""

_Struct = TypeVar("_Struct", bound=msgspec.Struct)


def bounded_text(text: str, longest: int = LONGEST_TEXT) -> str:
    """The text, or its beginning and an ellipsis."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def bounded_event(event: _Struct) -> _Struct:
    """The event itself, or a copy of which texts, tables and lists that are too long are cut."""
    values = ((name, getattr(event, name)) for name in event.__struct_fields__)
    cut = {name: short for name, value in values if (short := _bounded(value)) is not value}
    return structs.replace(event, **cut) if cut else event


def _bounded(value: Any) -> Any:
    if isinstance(value, str):
        return bounded_text(value)
    if isinstance(value, tuple):
        return value if len(value) <= MOST_ITEMS and not _has_text(value) else _bounded_tuple(value)
    if isinstance(value, dict):
        return _bounded_dict(value)
    return value


def _has_text(values: tuple[Any, ...]) -> bool:
    return any(isinstance(value, str) for value in values)


def _bounded_tuple(values: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(_bounded(value) for value in values[:MOST_ITEMS])


def _bounded_dict(table: dict[str, Any]) -> dict[str, Any]:
    items = list(table.items())[:MOST_ITEMS]
    return {bounded_text(name, LONGEST_NAME): _bounded(value) for name, value in items}


LARGEST_COUNT = 2**64 - 1
SMALLEST_COUNT = -(2**63)
"""The integers that msgpack has room for."""


def bounded(count: int) -> int:
    """The count itself, or the nearest one that can be encoded."""
    return min(max(count, SMALLEST_COUNT), LARGEST_COUNT)
