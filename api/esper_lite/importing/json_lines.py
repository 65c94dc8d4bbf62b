"""Reads files with one JSON object per line; objects within it give names such as `loss/policy`."""

import json
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec

from esper_lite.importing.column_roles import ColumnRoles, RowTimes, check_mapping, find_roles, step_of
from esper_lite.importing.growing_file import state_of
from esper_lite.importing.growing_lines import INCOMPLETE, GrowingLines, decoded
from esper_lite.importing.mapping import Mapping
from esper_lite.importing.numbers import number
from esper_lite.importing.rows import Facts, NotRead, Row, clean_name

NOT_OBJECTS = "lines that are not JSON objects"
NOT_NUMBERS = "JSON values that are not numbers"
TOO_DEEP = "JSON values in more than eight objects"

_MAX_DEPTH = 8
_decode = msgspec.json.Decoder().decode


class JsonLinesReader:
    """The objects of one file. `identity` is that of its first line."""

    def __init__(self, path: Path, facts: Facts, not_read: NotRead, mapping: Mapping) -> None:
        self.identity = ""
        self._path, self._not_read, self._mapping = path, not_read, mapping
        self._lines = GrowingLines(path, not_read)
        self._head = b""
        self._roles = ColumnRoles("", "")
        self._times = RowTimes()

    def unchanged(self) -> bool:
        """Whether the first line is the one that was read. Raises `OSError`."""
        return self._lines.begin_with(self._head)

    def rows(self, *, final: bool) -> Iterator[Row]:
        """The rows that were added since the last call. Raises `OSError`.

        final: nothing will be added any more.
        """
        for lines in self._lines.blocks():
            for line in lines:
                yield from self._row(line)
        last = self._lines.last() if final else b""
        if last and parsed_object(last) is None:
            self._not_read.add(INCOMPLETE)
        elif last:
            yield from self._row(last)

    def _row(self, line: bytes) -> Iterator[Row]:
        """The row of a line, if it has values."""
        if not line.strip():
            return
        found = parsed_object(line)
        if found is None:
            self._not_read.add(NOT_OBJECTS)
            return
        flat = flattened(found, self._not_read)
        if not self.identity:
            self._begin(line, flat)
        if not self._roles.step or self._roles.step not in flat:
            self._roles = find_roles(flat, self._mapping)
        left_out = self._roles.not_values | self._mapping.drop
        values = {name: value for name, value in flat.items() if name not in left_out}
        row = Row(
            self._times.time_ns(flat.get(self._roles.time)),
            step_of(self._roles, flat),
            numbers(values, self._not_read),
        )
        if row.values:
            yield row

    def _begin(self, line: bytes, first: dict[str, Any]) -> None:
        self.identity = blake2b(line, digest_size=6).hexdigest()
        self._head = self._lines.head(1)
        check_mapping(first, self._mapping, self._path.name)
        self._roles = find_roles(first, self._mapping)
        last = parsed_object(self._lines.last_complete()) or first
        state = state_of(self._path)
        if state is not None:
            self._times.begin(state.modified_ns, last.get(self._roles.time))


def parsed_object(line: bytes) -> dict[str, Any] | None:
    """The object in a line of JSON, which may contain NaN and Infinity as Python writes them."""
    try:
        found = _decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        try:
            found = json.loads(decoded(line))
        except (ValueError, RecursionError):
            return None
    return found if isinstance(found, dict) else None


def flattened(table: dict[str, Any], not_read: NotRead) -> dict[str, Any]:
    """Return the values of an object and of those within it, by names with slashes."""
    flat: dict[str, Any] = {}
    waiting = [("", table, 1)]
    while waiting:
        prefix, inner, depth = waiting.pop()
        for key, value in inner.items():
            name = clean_name(f"{prefix}{key}")
            if not isinstance(value, dict):
                flat[name] = value
            elif depth < _MAX_DEPTH:
                waiting.append((f"{name}/", value, depth + 1))
            else:
                not_read.add(TOO_DEEP, name)
    return flat


def numbers(values: dict[str, Any], not_read: NotRead) -> dict[str, float]:
    """Return the values that are numbers, and count the others; null is not measured."""
    found: dict[str, float] = {}
    for name, value in values.items():
        if value is None:
            continue
        as_number = number(value)
        if as_number is None:
            not_read.add(NOT_NUMBERS, name)
        else:
            found[name] = as_number
    return found
